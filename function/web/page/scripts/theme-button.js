import { announce } from "./announce.js";
import { byId, icon } from "./dom.js";
import { onForeignPreference, prefer, preference } from "./preferences.js";

const THEMES = ["system", "light", "dark"];
const SYMBOLS = { system: "auto", light: "sun", dark: "moon" };

/** Button that cycles through the themes; theme.js applies the saved one before the first paint. */
export function themeButton() {
  const button = byId("theme");
  const label = byId("theme-label");
  const apply = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.querySelector("svg").replaceWith(icon(SYMBOLS[theme]));
    label.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    const theme = THEMES[(THEMES.indexOf(preference("theme") ?? "system") + 1) % THEMES.length];
    prefer("theme", theme);
    apply(theme);
    announce(`Theme: ${theme}`);
  });
  const applySaved = () => apply(preference("theme") ?? "system");
  onForeignPreference("theme", applySaved);
  applySaved();
}
