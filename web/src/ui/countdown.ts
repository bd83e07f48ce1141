import { clock, span } from '../time-left.ts';
import { element } from './element.ts';

/** From here on somebody has to save their work: the time stands out. */
const LAST_SECONDS = 300;

/** The time left is told this often. */
const TICK_MS = 500;

/** Says in the bar how long the session lasts, where that is known. */
export class Countdown {
  readonly #badge = element('ends', HTMLElement);
  readonly #left = element('ends-in', HTMLElement);
  #timer: ReturnType<typeof setInterval> | undefined;

  /** The session ends after so many seconds. */
  start(seconds: number): void {
    this.stop();
    const end = performance.now() + seconds * 1000;
    const tell = (): void => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      this.#badge.classList.toggle('soon', left <= LAST_SECONDS);
      this.#left.textContent = left <= LAST_SECONDS ? clock(left) : span(left);
    };
    tell();
    this.#badge.hidden = false;
    this.#timer = setInterval(tell, TICK_MS);
  }

  /** There is nothing to count. */
  stop(): void {
    clearInterval(this.#timer);
    this.#badge.hidden = true;
  }
}
