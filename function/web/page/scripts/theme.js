"use strict";
// Runs before the first paint, so that the other theme does not flash first.
try {
  const theme = JSON.parse(localStorage.getItem(`chat:${location.pathname.replace(/\/?$/, "/")}:theme`));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // without storage the system's theme applies
}
