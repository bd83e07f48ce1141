import type { Delivery } from '../channel.ts';
import { tooLong } from '../clipboard.ts';
import { button, element } from './element.ts';

/** What a clipboard may be for this viewer. */
export type Clipboarding = 'both ways' | 'not in this link';

const HINTS: Record<Clipboarding, string> = {
  'both ways': 'What the machine copies appears here. Write or paste a text and send it to put it on the machine’s clipboard.',
  'not in this link': 'This console link puts nothing on the machine’s clipboard.',
};

/** What became of a text. Only a machine that asked for it is known to have it. */
const DELIVERED: Record<Delivery, string> = {
  provided: 'Sent: the machine took it.',
  offered: 'Offered to the machine, which fetches it when you paste there.',
  written: 'Handed to the machine’s VNC server, which does not say what it does with it. Paste it in the machine.',
  skipped: 'Not sent: the text is longer than Transom passes on.',
};

/** The panel with the machine's clipboard. */
export class ClipboardPanel {
  readonly #panel = element('clipboard', HTMLElement);
  readonly #text = element('clipboard-text', HTMLTextAreaElement);
  readonly #hint = element('clipboard-hint', HTMLElement);
  readonly #editor = element('clipboard-editor', HTMLElement);
  readonly #done = element('clipboard-done', HTMLElement);
  readonly #toggle = button('clipboard-toggle', () => (this.#panel.hidden ? this.open() : this.close()));
  readonly #closed: () => void;
  #sending = false;

  /** `send` tells whether it will be known what becomes of a text. */
  constructor(send: (text: string) => boolean, closed: () => void) {
    this.#closed = closed;
    button('clipboard-close', () => this.close());
    button('clipboard-send', () => {
      if (this.#refuse()) return;
      this.#sending = send(this.#text.value);
      this.#done.textContent = this.#sending ? 'Sending…' : 'Passed on. Paste it in the machine.';
    });
    const copy = button('clipboard-copy', () => void this.#copy());
    const paste = button('clipboard-paste', () => void this.#paste());
    // Browsers lend their clipboard to pages that came over TLS, and not all lend it for reading.
    copy.hidden = navigator.clipboard === undefined;
    paste.hidden = navigator.clipboard?.readText === undefined;
    this.#text.addEventListener('input', () => {
      if (!this.#refuse()) this.#done.textContent = '';
    });
    this.#panel.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
  }

  /** Offers the clipboard and says what it may do here; `null` to who only watches. */
  offer(what: Clipboarding | null): void {
    this.#toggle.hidden = what === null;
    this.#hint.textContent = what === null ? '' : HINTS[what];
    this.#editor.hidden = what !== 'both ways';
  }

  /** What became of the text that was sent. */
  delivered(state: Delivery): void {
    if (!this.#sending) return;
    // The machine may fetch an offer more than once, and later.
    this.#sending = state === 'offered' || state === 'provided';
    this.#done.textContent = DELIVERED[state];
  }

  /** The line is gone; whether the last text arrived is not known any more. */
  lost(): void {
    if (this.#sending && this.#done.textContent === 'Sending…') this.#done.textContent = 'The connection was lost. Send it again.';
    this.#sending = false;
  }

  /** The machine copied a text. */
  receive(text: string): void {
    if (this.#editor.hidden) return;
    this.#text.value = text;
    this.#text.removeAttribute('aria-invalid');
    this.#done.textContent = this.#panel.hidden ? '' : 'Copied by the machine just now.';
    if (this.#panel.hidden) this.#toggle.classList.add('unread');
  }

  open(): void {
    this.#panel.hidden = false;
    this.#toggle.setAttribute('aria-expanded', 'true');
    this.#toggle.classList.remove('unread');
    this.#done.textContent = '';
    if (this.#editor.hidden) element('clipboard-close', HTMLElement).focus();
    else this.#text.select();
  }

  close(): void {
    if (this.#panel.hidden) return;
    this.#panel.hidden = true;
    this.#toggle.setAttribute('aria-expanded', 'false');
    this.#closed();
  }

  /** Says that the text is too long, where it is. */
  #refuse(): boolean {
    const refusal = tooLong(this.#text.value);
    if (refusal === null) {
      this.#text.removeAttribute('aria-invalid');
      return false;
    }
    this.#sending = false;
    this.#text.setAttribute('aria-invalid', 'true');
    this.#done.textContent = refusal;
    return true;
  }

  async #copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#text.value);
      this.#done.textContent = 'Copied to this device.';
    } catch {
      this.#text.select();
      this.#done.textContent = 'This browser did not allow it. The text is selected: copy it by hand.';
    }
  }

  async #paste(): Promise<void> {
    try {
      this.#text.value = await navigator.clipboard.readText();
      if (!this.#refuse()) this.#done.textContent = '';
    } catch {
      this.#text.focus();
      this.#done.textContent = 'This browser did not allow it. Paste into the field by hand.';
    }
  }
}
