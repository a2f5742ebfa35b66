// Address of this page. Several functions can share an origin, each under a path of its own.

export const PLACE = location.pathname.replace(/\/?$/, "/");

/** Return the address of `path` on this function; the page's own address may end with a slash or without. */
export function endpoint(path) {
  return new URL(PLACE + path, location.origin).href;
}
