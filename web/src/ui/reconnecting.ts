import type { Wait } from '../channel.ts';
import type { End } from '../reason.ts';
import { element } from './element.ts';
import { enter } from './stage.ts';

/** How a pause ended: it is time, or the person does not want to wait for more. */
export type Verdict = 'try' | 'stop';

/** The overlay over the last picture while the page tries to come back. */
export class Reconnecting {
  readonly #when = element('reconnecting-when', HTMLElement);
  readonly #cause = element('reconnecting-cause', HTMLElement);
  readonly #now = element('reconnect-now', HTMLButtonElement);
  readonly #stop = element('reconnect-stop', HTMLButtonElement);

  /** Counts a pause down; it ends early by a button, or when the network comes back. */
  wait(attempt: number, milliseconds: number, cause: End): Promise<Verdict> {
    enter('reconnecting', cause.code);
    this.#cause.textContent = cause.detail === null ? cause.sentence : `${cause.sentence} ${cause.detail}`;
    this.#now.disabled = false;
    const due = performance.now() + milliseconds;
    const tell = (): void => {
      const seconds = Math.max(1, Math.ceil((due - performance.now()) / 1000));
      this.#when.textContent = `Attempt ${attempt}, next in ${seconds} s`;
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

  /** A try is under way. */
  trying(attempt: number): void {
    enter('reconnecting');
    this.#when.textContent = `Attempt ${attempt}, connecting…`;
    this.#now.disabled = true;
  }

  /** The try takes longer, for this cause. */
  waiting(name: string, cause: Wait): void {
    if (cause === 'acceptance') this.#when.textContent = `Waiting for ${name} to accept: somebody there may have to say yes.`;
  }
}
