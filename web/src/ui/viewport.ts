/**
 * Keeps the page as tall as what can be seen of it.
 *
 * An on-screen keyboard covers a page on some phones instead of making it smaller; then the tools would lie under it.
 */
export function followVisibleHeight(): void {
  const visible = window.visualViewport;
  if (visible === null) return;
  const follow = (): void => {
    // Pinched in, the visible part is a part of the picture, not of the page.
    if (visible.scale > 1.01) return;
    document.documentElement.style.setProperty('--visible-height', `${visible.height}px`);
    scrollTo(0, 0);
  };
  visible.addEventListener('resize', follow);
  visible.addEventListener('scroll', follow);
  follow();
}
