/** Texts of the page Live, which is read from two metres away. */

export const LIVE = {
  "live.full_screen": ["Full screen", "Vollbild"],
  "live.waiting": ["Waiting for the first image", "Warten auf das erste Bild"],
  "live.waiting_why": ["The newest result appears here by itself, whatever it comes from.", "Das neueste Ergebnis erscheint hier von selbst, woher es auch kommt."],
  "live.still": ["No image for {time}", "Seit {time} kein Bild"],
  "live.ago": ["{time} ago", "vor {time}"],
  "live.lost": ["The server does not answer; this page keeps trying.", "Der Server antwortet nicht; diese Seite versucht es weiter."],
  "live.last": ["The last {n}", "Die letzten {n}"],
  "live.tally": ["{good} good, {anomalous} anomalous, {other} neither", "{good} gut, {anomalous} auffällig, {other} weder noch"],
  "live.why": ["Why", "Warum"],
  "live.times": ["Score {score}: {times} × the threshold of {line}", "Anomaliewert {score}: {times} × Grenzwert von {line}"],
  "live.score": ["Score {score}, threshold {line}", "Anomaliewert {score}, Grenzwert {line}"],
  "live.region": ["{words} ({size})", "{words} ({size})"],
  "live.more_regions": ["and {n} more place | and {n} more places", "und {n} weitere Stelle | und {n} weitere Stellen"],
  "live.no_reason": ["Nothing of it stands out from good images.", "Nichts daran hebt sich von guten Bildern ab."],
};
