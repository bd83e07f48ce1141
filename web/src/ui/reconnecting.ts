import type { Wait } from '../channel.ts';
import type { End } from '../reason.ts';
import { element } from './element.ts';
import { enter } from './stage.ts';

/** The end of a pause: the next attempt is due, or the user stopped reconnecting. */
export type Verdict = 'try' | 'stop';

/** The overlay on the last picture while the page reconnects. */
export class Reconnecting {
  readonly #when = element('reconnecting-when', HTMLElement);
  readonly #cause = element('reconnecting-cause', HTMLElement);
  readonly #now = element('reconnect-now', HTMLButtonElement);
  readonly #stop = element('reconnect-stop', HTMLButtonElement);

  /** Counts a pause down. A button ends it early, and so does the return of the network. */
  wait(attempt: number, milliseconds: number, cause: End): Promise<Verdict> {
    enter('reconnecting', cause.code);
    this.#cause.textContent = cause.detail === null ? cause.sentence : `${cause.sentence} ${cause.detail}`;
    this.#now.disabled = false;
    const due = performance.now() + milliseconds;
    const tell = (): void => {
      const seconds = Math.max(1, Math.ceil((due - performance.now()) / 1000));
      this.#when.textContent = `Attempt ${attempt} in ${seconds} s`;
    };
    tell();
    return new Promise((resolve) => {
      const ticking = setInterval(tell, 250);
      const timer = setTimeout(() => decide('try'), milliseconds);
      const over = new AbortController();
      const decide = (verdict: Verdict): void => {
        clearInterval(ticking);
        clearTimeout(timer);
        over.abort();
        resolve(verdict);
      };
      this.#now.addEventListener('click', () => decide('try'), { signal: over.signal });
      this.#stop.addEventListener('click', () => decide('stop'), { signal: over.signal });
      addEventListener('online', () => decide('try'), { signal: over.signal });
    });
  }

  /** Shows that an attempt is running. */
  trying(attempt: number): void {
    enter('reconnecting');
    this.#when.textContent = `Attempt ${attempt}, connecting…`;
    this.#now.disabled = true;
  }

  /** Shows why the attempt takes longer. */
  waiting(name: string, cause: Wait): void {
    if (cause === 'acceptance') this.#when.textContent = `Waiting for ${name} to accept: someone there may have to allow your connection.`;
  }
}
