import { element } from './element.ts';

/**
 * The part of the page that shows the machine's screen, or its last picture while the connection is
 * lost.
 */
export class Screen {
  /** The element that contains noVNC's canvas. */
  readonly target = element('screen', HTMLElement);
  readonly #frozen = element('frozen', HTMLCanvasElement);

  constructor() {
    // noVNC releases held keys when the window loses focus. The same must happen when focus moves
    // to the toolbar.
    this.target.addEventListener('focusout', () => dispatchEvent(new Event('blur')));
  }

  /** Names the picture for assistive technology. */
  label(name: string): void {
    this.target.querySelector('canvas')?.setAttribute('aria-label', `Screen of ${name}`);
  }

  /** Keeps the last picture visible in its place. */
  freeze(): void {
    const canvas = this.target.querySelector('canvas');
    if (canvas === null || canvas.width === 0 || canvas.height === 0) return;
    const outer = this.target.getBoundingClientRect();
    const inner = canvas.getBoundingClientRect();
    this.#frozen.width = canvas.width;
    this.#frozen.height = canvas.height;
    this.#frozen.getContext('2d')?.drawImage(canvas, 0, 0);
    this.#frozen.style.left = `${inner.left - outer.left}px`;
    this.#frozen.style.top = `${inner.top - outer.top}px`;
    this.#frozen.style.width = `${inner.width}px`;
    this.#frozen.style.height = `${inner.height}px`;
    this.#frozen.hidden = false;
  }

  /** Removes the last picture: a new one is visible, or reconnecting has ended. */
  thaw(): void {
    this.#frozen.hidden = true;
    this.#frozen.width = this.#frozen.height = 0;
  }
}
