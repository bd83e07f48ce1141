/**
 * Where a console link may carry its token.
 *
 * ```text
 * /console#token=T                        ours: a fragment never reaches a log
 * /console?token=T                        what older callers of a console build
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
