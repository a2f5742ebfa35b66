// Where this page lives. Several functions can share an origin, each under a path of its own.

export const PLACE = location.pathname.replace(/\/?$/, "/");

/** The address of `path` on this function, whether the page was opened with or without a slash at the end. */
export function endpoint(path) {
  return new URL(PLACE + path, location.origin).href;
}
