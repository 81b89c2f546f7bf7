/** Texts around the pages: navigation, keys, signing in, what the server refuses; and words that all pages share. */

export const FRAME = {
  "page.inspect": ["Inspect", "Prüfen"],
  "page.history": ["History", "Verlauf"],
  "page.threshold": ["Threshold", "Grenzwert"],
  "page.drift": ["Drift", "Drift"],
  "page.feedback": ["Feedback", "Rückmeldung"],
  "page.region": ["Region", "Prüfbereich"],

  "frame.skip": ["Skip to the page", "Direkt zum Inhalt"],
  "frame.pages": ["Pages", "Seiten"],
  "frame.model": ["Model", "Modell"],
  "frame.help": ["Keys and help", "Tasten und Hilfe"],
  "frame.try_again": ["Try again", "Noch einmal versuchen"],
  "frame.no_model": ["No model is served", "Es ist kein Modell geladen"],
  "frame.start_with": ["Start the server with one: {command}", "Starten Sie den Server mit einem: {command}"],
  "frame.language": ["Language", "Sprache"],
  "theme.is_light": ["Light colours.", "Helle Farben."],
  "theme.is_dark": ["Dark colours.", "Dunkle Farben."],
  "theme.use_light": ["Use light colours", "Helle Farben verwenden"],
  "theme.use_dark": ["Use dark colours", "Dunkle Farben verwenden"],

  "keys.title": ["Keys", "Tasten"],
  "keys.this_list": ["This list", "Diese Liste"],
  "keys.theme": ["Light or dark", "Hell oder dunkel"],
  "keys.page": ["{page} page", "Seite {page}"],
  "keys.on": ["One-key commands are on", "Befehle mit einer Taste sind eingeschaltet"],
  "keys.without": [
    "Tab and Enter reach everything without them. Sliders move with the arrow keys.",
    "Mit Tab und Eingabe erreichen Sie alles auch ohne sie. Schieberegler bewegen Sie mit den Pfeiltasten.",
  ],

  "dialog.cancel": ["Cancel", "Abbrechen"],
  "dialog.close": ["Close", "Schließen"],
  "dialog.reason": ["Reason, for the record", "Grund, für das Protokoll"],

  "token.title": ["Sign in", "Anmelden"],
  "token.why": [
    "This page is protected. Your access token tells the server who you are and what you may do.",
    "Diese Seite ist geschützt. Ihr Zugangsschlüssel sagt dem Server, wer Sie sind und was Sie dürfen.",
  ],
  "token.paste": ["Paste your token.", "Fügen Sie Ihren Zugangsschlüssel ein."],
  "token.unknown": [
    "The server does not know this token. Paste another one.",
    "Der Server kennt diesen Zugangsschlüssel nicht. Fügen Sie einen anderen ein.",
  ],
  "token.none": ["You have none? Ask whoever runs the server; there it is made by {command}", "Sie haben keinen? Fragen Sie, wer den Server betreibt; dort entsteht er mit {command}"],
  "token.field": ["Token", "Zugangsschlüssel"],
  "token.kept": ["It is kept until this tab is closed.", "Er bleibt gespeichert, bis Sie diesen Tab schließen."],
  "token.accept": ["Continue", "Weiter"],
  "token.needed": ["This page needs a token: sign in to see it.", "Diese Seite braucht einen Zugangsschlüssel: Melden Sie sich an."],

  "api.unreachable": [
    "The server does not answer. Is `twinspect serve` still running, and the network up?",
    "Der Server antwortet nicht. Läuft „twinspect serve“ noch, und besteht eine Netzverbindung?",
  ],
  "api.proxy_limit": [
    "The answer is 413, of a proxy in front of the server: it may allow smaller files only.",
    "Die Antwort ist 413, von einem Proxy vor dem Server: Er erlaubt vielleicht nur kleinere Dateien.",
  ],
  "api.unexplained": ["The server answered {status} without saying why.", "Der Server hat mit {status} geantwortet, ohne einen Grund zu nennen."],

  "me.needs": ["{doing} needs the role {role}; the token of {name} has the role {own}.", "{doing} erfordert die Rolle {role}; der Zugangsschlüssel von {name} hat die Rolle {own}."],
  "doing.score": ["Scoring images", "Das Prüfen von Bildern"],
  "doing.judge": ["Saying so", "Ein Urteil"],
  "doing.apply": ["Applying a new record", "Einen neuen Grenzwert einzusetzen"],
  "doing.roll_back": ["Bringing one back", "Das Zurückholen"],
  "doing.calibrate": ["A new calibration", "Eine neue Kalibrierung"],

  "warning.reload": ["{name} was changed on disk but not loaded: {error}", "{name} wurde auf der Platte geändert, aber nicht geladen: {error}"],
  "warning.see_drift": ["See the drift page", "Zur Seite Drift"],

  "count.images": ["{n} image | {n} images", "{n} Bild | {n} Bilder"],
  "count.good_images": ["{n} good image | {n} good images", "{n} gutes Bild | {n} gute Bilder"],
  "count.calibration_images": ["{n} calibration image | {n} calibration images", "{n} Kalibrierbild | {n} Kalibrierbilder"],
  "count.windows": ["{n} window | {n} windows", "{n} Zeitfenster | {n} Zeitfenster"],
  "count.areas": ["{n} area | {n} areas", "{n} Fläche | {n} Flächen"],
  "count.scores": ["{n} score | {n} scores", "{n} Wert | {n} Werte"],
  "words.below": ["below {value}", "unter {value}"],
  "words.any": ["any", "alle"],
  "words.optional": ["optional", "freiwillig"],
  "words.of": ["{n} of {all}", "{n} von {all}"],

  "verdict.good": ["Good", "Gut"],
  "verdict.anomalous": ["Anomalous", "Auffällig"],
  "verdict.not_inspectable": ["Not inspectable", "Nicht prüfbar"],
  "verdict.failed": ["Not scored", "Nicht bewertet"],
  "verdict.queued": ["Waiting", "Wartet"],
  "opinion.good": ["Good", "Gut"],
  "opinion.defect": ["Defect", "Fehler"],
  "opinion.unsure": ["Unsure", "Unklar"],

  "term.score": ["Score", "Anomaliewert"],
  "term.score_means": [
    "How much the image differs from the good ones; higher is more unusual. It has no unit and no upper end.",
    "Wie stark das Bild von den guten abweicht; höher heißt ungewöhnlicher. Er hat keine Einheit und kein oberes Ende.",
  ],
  "term.threshold": ["Threshold", "Grenzwert"],
  "term.threshold_means": ["An image whose score is above it is called anomalous.", "Ein Bild mit einem höheren Anomaliewert gilt als auffällig."],
  "term.p_value": ["p-value", "p-Wert"],
  "term.p_value_means": [
    "The share of good images that score at least as high. 0.01 means: one good image in a hundred.",
    "Der Anteil guter Bilder mit einem mindestens so hohen Anomaliewert. 0,01 heißt: eines von hundert.",
  ],
  "term.calibration": ["Calibration", "Kalibrierung"],
  "term.calibration_means": [
    "The good images that the threshold was set by, and how often it may call a good part anomalous.",
    "Die guten Bilder, nach denen der Grenzwert gesetzt wurde, und wie oft er ein gutes Teil auffällig nennen darf.",
  ],
  "term.rate": ["False-alarm rate", "Fehlalarmrate"],
  "term.rate_means": ["How many of a hundred good parts may be called anomalous.", "Wie viele von hundert guten Teilen auffällig genannt werden dürfen."],
  "term.drift_means": ["Whether today's images still look like those that the model knows.", "Ob die Bilder von heute noch so aussehen wie die, die das Modell kennt."],
};
