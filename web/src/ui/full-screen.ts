import { button, element } from './element.ts';

/**
 * The time for which the toolbar stays visible in full screen after the pointer leaves it. Touch
 * needs more: it has no hover.
 */
const LINGER_MS = 1_500;
const LINGER_TOUCH_MS = 4_000;

/** Chromium's Keyboard Lock API, which gives a full-screen page keys such as Esc and Alt-Tab. */
type LockingKeyboard = { lock?(): Promise<void>; unlock?(): void };

/** Full-screen mode, in which the toolbar is hidden until the pointer reaches the upper edge. */
export class FullScreen {
  readonly #button = button('full-screen', () => void this.#toggle());
  readonly #bar = element('bar', HTMLElement);
  readonly #hovers = matchMedia('(hover: hover)');
  #hiding: ReturnType<typeof setTimeout> | undefined;

  constructor(done: () => void) {
    // iPhones allow full screen for videos only.
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
      // The browser refused, and shows that itself.
    }
  }

  #changed(): void {
    const on = document.fullscreenElement !== null;
    const keyboard = (navigator as { keyboard?: LockingKeyboard }).keyboard;
    if (on) void keyboard?.lock?.().catch(() => {});
    else keyboard?.unlock?.();
    this.#button.setAttribute('aria-pressed', String(on));
    this.#button.setAttribute('aria-label', on ? 'Exit full screen' : 'Full screen');
    this.#button.title = on ? 'Exit full screen' : 'Full screen';
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
      // On touch screens an element counts as hovered until another one is touched.
      const used = this.#bar.matches(this.#hovers.matches ? ':hover, :focus-within' : ':focus-within');
      if (!used) document.documentElement.classList.remove('bar-shown');
    }, this.#hovers.matches ? LINGER_MS : LINGER_TOUCH_MS);
  }
}
