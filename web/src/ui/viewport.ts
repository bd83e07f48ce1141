/**
 * Sets the page's height to its visible height.
 *
 * On some phones the on-screen keyboard covers the page instead of shrinking it, and would hide the
 * tools.
 */
export function followVisibleHeight(): void {
  const visible = window.visualViewport;
  if (visible === null) return;
  const follow = (): void => {
    // While the user has zoomed in, the visible part says nothing about the page's height.
    if (visible.scale > 1.01) return;
    document.documentElement.style.setProperty('--visible-height', `${visible.height}px`);
    scrollTo(0, 0);
  };
  visible.addEventListener('resize', follow);
  visible.addEventListener('scroll', follow);
  follow();
}
