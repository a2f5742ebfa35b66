const TOUCH = matchMedia("(pointer: coarse)");

/** Return true if a keydown means "send": Enter alone, on devices whose keyboard has Shift+Enter for a new line. */
export function sends(event) {
  if (event.key !== "Enter" || event.isComposing) return false;
  return event.ctrlKey || event.metaKey || (!event.shiftKey && !TOUCH.matches);
}
