/**
 * Takes the token out of the address bar and the history.
 *
 * This module is the page's first import, so that it runs before anything else can read, log or send the address.
 */
import { tokenIn } from './token.ts';

function take(): string | null {
  const token = tokenIn(location);
  if (location.search !== '' || location.hash !== '') {
    history.replaceState(null, '', location.pathname);
  }
  return token;
}

/** The token this page was opened with. */
export const openedWith: string | null = take();

/** Calls `open` when somebody pastes another console link over this page: a new fragment does not load the page anew. */
export function onPastedLink(open: (token: string) => void): void {
  addEventListener('hashchange', () => {
    const token = take();
    if (token !== null) open(token);
  });
}
