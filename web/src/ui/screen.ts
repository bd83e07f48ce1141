import { element } from './element.ts';

/** The part of the page that shows the machine, and its last picture while the connection is gone. */
export class Screen {
  /** Where noVNC puts its canvas. */
  readonly target = element('screen', HTMLElement);
  readonly #frozen = element('frozen', HTMLCanvasElement);

  constructor() {
    // noVNC lets go of held keys when the window loses the focus; losing it to the toolbar is the same to the machine.
    this.target.addEventListener('focusout', () => dispatchEvent(new Event('blur')));
  }

  /** Tells assistive software what this is a picture of. */
  label(name: string): void {
    this.target.querySelector('canvas')?.setAttribute('aria-label', `Screen of ${name}`);
  }

  /** Keeps the last picture where it is. */
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

  /** A new picture is there, or none will come. */
  thaw(): void {
    this.#frozen.hidden = true;
    this.#frozen.width = this.#frozen.height = 0;
  }
}
