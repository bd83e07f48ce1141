/**
 * Asks before Ctrl-W closes the page while somebody works in the machine.
 *
 * In a terminal Ctrl-W erases a word, and browsers keep it for themselves: the page never hears the W. It does hear Ctrl, so
 * a page that is closed with Ctrl held is closed by a shortcut, and a link that was good for one use would be gone with it.
 */
export function guardAgainstClosing(working: () => boolean): void {
  let held = false;
  const follow = (event: KeyboardEvent): void => {
    held = event.ctrlKey || event.metaKey;
  };
  addEventListener('keydown', follow, { capture: true });
  addEventListener('keyup', follow, { capture: true });
  addEventListener('blur', () => (held = false));
  addEventListener('beforeunload', (event) => {
    if (held && working()) event.preventDefault();
  });
}
