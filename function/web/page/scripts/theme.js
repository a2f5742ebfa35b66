"use strict";
// Runs before anything is painted, so that a chosen theme does not flash the other one first.
try {
  const theme = JSON.parse(localStorage.getItem(`chat:${location.pathname.replace(/\/?$/, "/")}:theme`));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is forbidden here: the system's theme it is
}
