/**
 * Removes the token from the address bar and the history.
 *
 * This module is the page's first import, so it runs before other code can read, log or send the
 * address.
 */
import { tokenIn } from './token.ts';

function take(): string | null {
  const token = tokenIn(location);
  if (location.search !== '' || location.hash !== '') {
    history.replaceState(null, '', location.pathname);
  }
  return token;
}

/** The token that was in the page's address; `null` if there was none. */
export const openedWith: string | null = take();

/**
 * Calls `open` when the user pastes another console link into the address bar: a new fragment does
 * not reload the page.
 */
export function onPastedLink(open: (token: string) => void): void {
  addEventListener('hashchange', () => {
    const token = take();
    if (token !== null) open(token);
  });
}
