import type { Wait } from '../channel.ts';
import { element } from './element.ts';
import { enter } from './stage.ts';

/** The time after which the page explains the delay. A console normally opens sooner. */
const SLOW_MS = 5_000;

const SLOW = 'This is taking longer than usual. The machine may be busy or hard to reach.';
const ACCEPTANCE = 'Someone at the machine may have to accept your connection. The screen opens as soon as they do.';

const STEPS = ['checking', 'connecting', 'starting'] as const;
type Step = (typeof STEPS)[number];

/** Shows the progress until the first picture is visible. */
export class Progress {
  readonly #now = element('progress-now', HTMLElement);
  readonly #name = element('step-name', HTMLElement);
  readonly #slow = element('progress-slow', HTMLElement);
  #timer: ReturnType<typeof setTimeout> | undefined;

  checking(): void {
    this.#step('checking', 'Checking the link…');
  }

  /** Shows what a console that is not open yet waits for. */
  waiting(name: string, cause: Wait): void {
    clearTimeout(this.#timer);
    const accepting = cause === 'acceptance';
    this.#now.textContent = accepting ? `Waiting for ${name} to accept…` : `Connecting to ${name}…`;
    this.#slow.textContent = accepting ? ACCEPTANCE : SLOW;
    this.#slow.hidden = false;
  }

  connecting(name: string): void {
    this.#name.textContent = name;
    this.#step('connecting', `Connecting to ${name}…`);
  }

  starting(): void {
    this.#step('starting', 'Waiting for the screen…');
  }

  /** The picture is visible, or the attempt has failed. */
  over(): void {
    clearTimeout(this.#timer);
    this.#slow.hidden = true;
    this.#slow.textContent = SLOW;
  }

  #step(current: Step, now: string): void {
    this.over();
    enter(current);
    this.#now.textContent = now;
    const reached = STEPS.indexOf(current);
    STEPS.forEach((step, index) => {
      const item = element(`step-${step}`, HTMLElement);
      item.className = index < reached ? 'done' : index === reached ? 'current' : '';
    });
    this.#timer = setTimeout(() => {
      this.#slow.hidden = current === 'checking';
    }, SLOW_MS);
  }
}
