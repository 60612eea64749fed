const CHOSEN = "sokuon-theme";

/** The colours chosen before; else those of the system. */
export function restoreTheme(): void {
  const chosen = localStorage.getItem(CHOSEN);
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset["theme"] = chosen;
}

export function switchTheme(): void {
  const root = document.documentElement;
  const dark = root.dataset["theme"] ? root.dataset["theme"] === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset["theme"] = dark ? "light" : "dark";
  localStorage.setItem(CHOSEN, root.dataset["theme"]);
}
