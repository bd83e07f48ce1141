import { button, element } from './element.ts';

/** The toolbar stays for this long after the pointer has left it, in full screen; fingers come and go without hovering. */
const LINGER_MS = 1_500;
const LINGER_TOUCH_MS = 4_000;

/** Chromium lets a page in full screen have Esc, Alt-Tab and the like (Keyboard Lock API). */
type LockingKeyboard = { lock?(): Promise<void>; unlock?(): void };

/** Full screen, where the toolbar hides until the pointer comes to the upper edge. */
export class FullScreen {
  readonly #button = button('full-screen', () => void this.#toggle());
  readonly #bar = element('bar', HTMLElement);
  readonly #hovers = matchMedia('(hover: hover)');
  #hiding: ReturnType<typeof setTimeout> | undefined;

  constructor(done: () => void) {
    // Phones by Apple keep full screen for films.
    this.#button.hidden = !document.fullscreenEnabled;
    const show = (): void => this.#show();
    const hide = (): void => this.#hideSoon();
    const handle = button('bar-handle', show);
    for (const part of [handle, this.#bar]) {
      part.addEventListener('pointerenter', show);
      part.addEventListener('pointerleave', hide);
    }
    this.#bar.addEventListener('focusin', show);
    this.#bar.addEventListener('focusout', hide);
    document.addEventListener('fullscreenchange', () => {
      this.#changed();
      done();
    });
  }

  async #toggle(): Promise<void> {
    try {
      if (document.fullscreenElement !== null) await document.exitFullscreen();
      else await document.documentElement.requestFullscreen({ navigationUI: 'hide' });
    } catch {
      // The browser said no, and says so itself.
    }
  }

  #changed(): void {
    const on = document.fullscreenElement !== null;
    const keyboard = (navigator as { keyboard?: LockingKeyboard }).keyboard;
    if (on) void keyboard?.lock?.().catch(() => {});
    else keyboard?.unlock?.();
    this.#button.setAttribute('aria-pressed', String(on));
    this.#button.setAttribute('aria-label', on ? 'Leave full screen' : 'Full screen');
    this.#button.title = on ? 'Leave full screen' : 'Full screen';
    document.documentElement.classList.toggle('full-screen', on);
    this.#show();
    this.#hideSoon();
  }

  #show(): void {
    clearTimeout(this.#hiding);
    document.documentElement.classList.add('bar-shown');
  }

  #hideSoon(): void {
    clearTimeout(this.#hiding);
    this.#hiding = setTimeout(() => {
      // A touched element counts as hovered until another one is touched.
      const used = this.#bar.matches(this.#hovers.matches ? ':hover, :focus-within' : ':focus-within');
      if (!used) document.documentElement.classList.remove('bar-shown');
    }, this.#hovers.matches ? LINGER_MS : LINGER_TOUCH_MS);
  }
}
