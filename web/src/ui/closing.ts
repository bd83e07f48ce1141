/**
 * Asks for confirmation before Ctrl-W closes the page while the user works in the machine.
 *
 * In a terminal Ctrl-W erases a word, but browsers reserve it, so the page never receives the W. It
 * does receive Ctrl. A page that closes while Ctrl is held is therefore closed by a shortcut, and a
 * single-use link would be lost with it.
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
