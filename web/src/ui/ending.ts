import type { End, Side } from '../reason.ts';
import { button, element } from './element.ts';
import { enter } from './stage.ts';

const SIDES: Record<Side, string> = {
  viewer: 'The cause is on your side: this browser, its network, or the link.',
  transom: 'The cause is in Transom.',
  instance: 'The cause is the machine, or the connection from Transom to it.',
  operator: 'The cause is a decision or a setting of the people who run this service or own the machine.',
};

/**
 * The length of a request id's short form, its last characters. The audit and the log can be
 * searched by it.
 */
const SHORT_REQUEST_ID = 8;

/** Endings that are not failures. */
const PLAIN: readonly string[] = ['left', 'over', 'session-ended', 'needs-link'];

/** The time for which the button shows “Copied”. */
const THANKS_MS = 2_000;

/** The view that shows why a console did not open or ended, and what to do next. */
export class Ending {
  readonly #machine = element('ending-machine', HTMLElement);
  readonly #sentence = element('ending-sentence', HTMLElement);
  readonly #detail = element('ending-detail', HTMLElement);
  readonly #next = element('ending-next', HTMLElement);
  readonly #side = element('ending-side', HTMLElement);
  readonly #facts = element('ending-facts', HTMLElement);
  readonly #logo = element('ending-logo', HTMLElement);
  readonly #route = element('route', HTMLElement);
  readonly #again: HTMLButtonElement;
  readonly #end: HTMLButtonElement;
  readonly #copy = button('copy-details', () => void this.#copyDetails());
  #details = '';

  constructor(again: () => void, end: () => void) {
    this.#again = button('try-again', again);
    this.#end = button('end-session', end);
  }

  /** The session is being ended. */
  leaving(): void {
    this.#end.disabled = this.#again.disabled = true;
    this.#next.textContent = 'Ending the session…';
  }

  /**
   * Shows a reason. `name` is the machine's name and `session` the session's id, if they are known.
   * `open` is true if the session still waits and can be ended.
   */
  show(end: End, name: string | null, session: string | null, open: boolean): void {
    const plain = PLAIN.includes(end.code);
    this.#machine.textContent = plain ? '' : (name ?? '');
    this.#sentence.textContent = end.code === 'left' && name !== null ? `You have disconnected from ${name}.` : end.sentence;
    this.#detail.textContent = end.detail ?? '';
    this.#next.replaceChildren(...unbroken(end.nextStep));
    this.#side.textContent = plain ? '' : SIDES[end.side];
    this.#route.hidden = plain;
    this.#route.dataset['side'] = end.side;
    this.#logo.hidden = !plain;
    const facts = plain ? [] : factsOf(end, session);
    this.#facts.replaceChildren(...facts.flatMap((fact) => [span(fact), ' ']));
    const whole = end.requestId === null || end.requestId.length <= SHORT_REQUEST_ID ? null : `request ${end.requestId}`;
    this.#details = [name, end.sentence, end.detail, ...facts, whole].filter((part) => part !== null).join('\n');
    this.#copy.hidden = plain;
    this.#again.hidden = end.retry !== 'resume' && end.retry !== 'later';
    this.#again.textContent = plain ? 'Connect again' : 'Try again';
    this.#end.hidden = !open;
    this.#end.disabled = this.#again.disabled = false;
    enter('ended', end.code);
    this.#sentence.focus({ preventScroll: true });
  }

  async #copyDetails(): Promise<void> {
    if (await copied(this.#details, this.#facts)) {
      this.#copy.textContent = 'Copied';
      setTimeout(() => (this.#copy.textContent = 'Copy details'), THANKS_MS);
    }
  }
}

function factsOf(end: End, session: string | null): string[] {
  return [
    end.code,
    end.closeCode === null ? null : `close ${end.closeCode}`,
    end.requestId === null ? null : `request ${end.requestId.slice(-SHORT_REQUEST_ID)}`,
    session === null ? null : `session ${session}`,
    new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
  ].filter((fact) => fact !== null);
}

/**
 * Creates a span whose words are not broken at hyphens, because a broken id or option is hard to
 * read.
 */
function span(text: string): HTMLElement {
  const part = document.createElement('span');
  part.append(...unbroken(text));
  return part;
}

function unbroken(text: string): (Node | string)[] {
  const words = text.split(' ').map((word) => {
    if (!word.includes('-')) return word;
    const whole = document.createElement('span');
    whole.className = 'whole';
    whole.textContent = word;
    return whole;
  });
  return words.flatMap((word, index) => (index === 0 ? [word] : [' ', word]));
}

/**
 * Copies a text. If the browser does not allow it, selects the shown text so that the user can copy
 * it.
 */
async function copied(text: string, shown: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection()?.selectAllChildren(shown);
    return false;
  }
}
