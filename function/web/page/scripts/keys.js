const TOUCH = matchMedia("(pointer: coarse)");

/** Whether a keydown means "send": Enter alone, where there is a keyboard that has Shift+Enter for a new line. */
export function sends(event) {
  if (event.key !== "Enter" || event.isComposing) return false;
  return event.ctrlKey || event.metaKey || (!event.shiftKey && !TOUCH.matches);
}
