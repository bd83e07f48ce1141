import { clock, span } from '../time-left.ts';
import { element } from './element.ts';

/**
 * The time left, in seconds, from which the countdown is highlighted so that users save their work.
 */
const LAST_SECONDS = 300;

/** The interval at which the countdown is updated. */
const TICK_MS = 500;

/** Shows the remaining time of the session in the bar, if it is known. */
export class Countdown {
  readonly #badge = element('ends', HTMLElement);
  readonly #left = element('ends-in', HTMLElement);
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Starts the countdown for a session that ends after this many seconds. */
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

  /** Stops and hides the countdown. */
  stop(): void {
    clearInterval(this.#timer);
    this.#badge.hidden = true;
  }
}
