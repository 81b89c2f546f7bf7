/* Light or dark, chosen before the first paint: a classic script, as a module would run too late and flash. */
(() => {
  const KEY = "twinspect.theme";
  const root = document.documentElement;

  const systemIsDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  const current = () => root.dataset.theme ?? (systemIsDark() ? "dark" : "light");

  function choose(theme) {
    root.dataset.theme = theme;
    localStorage.setItem(KEY, theme);
  }

  const kept = localStorage.getItem(KEY);
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;

  window.twinspectTheme = {
    current,
    /** Change to the other one and say which it is now. */
    toggle() {
      choose(current() === "dark" ? "light" : "dark");
      return current();
    },
  };
})();
