import type { Wait } from '../channel.ts';
import { element } from './element.ts';
import { enter } from './stage.ts';

/** A console that opens well is there sooner; after this long a word is due. */
const SLOW_MS = 5_000;

const SLOW = 'This takes longer than usual. The instance may be busy or hard to reach.';
const ACCEPTANCE = 'Somebody at the machine may have to accept this viewer. The screen opens as soon as they have.';

const STEPS = ['checking', 'connecting', 'starting'] as const;
type Step = (typeof STEPS)[number];

/** Says what the page is doing until the picture is there. */
export class Progress {
  readonly #now = element('progress-now', HTMLElement);
  readonly #name = element('step-name', HTMLElement);
  readonly #slow = element('progress-slow', HTMLElement);
  #timer: ReturnType<typeof setTimeout> | undefined;

  checking(): void {
    this.#step('checking', 'Checking the link…');
  }

  /** Names what a console that does not open yet waits for. */
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
    this.#step('starting', 'Starting the picture…');
  }

  /** The picture is there, or will not come. */
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
