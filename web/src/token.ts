/**
 * Returns the token of a console link, or `null` if it has none. A link carries its token in one of
 * three places:
 *
 * ```text
 * /console#token=T                        Transom's own form: a fragment never reaches a log
 * /console?token=T                        the form that older clients build
 * /vnc_auto.html?path=%3Ftoken%3DT        noVNC's form: the token inside the WebSocket's path
 * ```
 */
export function tokenIn(address: { hash: string; search: string }): string | null {
  const fragment = new URLSearchParams(address.hash.replace(/^#/, ''));
  const query = new URLSearchParams(address.search);
  return present(fragment.get('token')) ?? present(query.get('token')) ?? insidePath(query.get('path'));
}

function insidePath(path: string | null): string | null {
  const mark = path?.indexOf('?') ?? -1;
  return path === null || mark < 0 ? null : present(new URLSearchParams(path.slice(mark)).get('token'));
}

function present(token: string | null): string | null {
  return token === '' ? null : token;
}
