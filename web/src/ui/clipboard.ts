import type { Delivery } from '../channel.ts';
import { tooLong } from '../clipboard.ts';
import { button, element } from './element.ts';

/** The clipboard access that a link gives to this viewer. */
export type Clipboarding = 'both ways' | 'not in this link';

const HINTS: Record<Clipboarding, string> = {
  'both ways': 'Text that the machine copies appears here. To put text on the machine’s clipboard, type or paste it here and send it.',
  'not in this link': 'This console link does not give access to the machine’s clipboard.',
};

/** The messages for the delivery states. Only `provided` means that the machine has the text. */
const DELIVERED: Record<Delivery, string> = {
  provided: 'Sent: the machine received the text.',
  offered: 'Offered to the machine, which fetches the text when you paste it there.',
  written: 'Sent to the machine’s VNC server, which does not confirm delivery. Paste the text in the machine to check.',
  skipped: 'Not sent: the text is longer than Transom allows.',
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

  /** `send` returns whether the delivery of the text will be reported. */
  constructor(send: (text: string) => boolean, closed: () => void) {
    this.#closed = closed;
    button('clipboard-close', () => this.close());
    button('clipboard-send', () => {
      if (this.#refuse()) return;
      this.#sending = send(this.#text.value);
      this.#done.textContent = this.#sending ? 'Sending…' : 'Sent. Paste it in the machine.';
    });
    const copy = button('clipboard-copy', () => void this.#copy());
    const paste = button('clipboard-paste', () => void this.#paste());
    // Browsers give clipboard access only to pages loaded over TLS, and some browsers do not allow
    // reading.
    copy.hidden = navigator.clipboard === undefined;
    paste.hidden = navigator.clipboard?.readText === undefined;
    this.#text.addEventListener('input', () => {
      if (!this.#refuse()) this.#done.textContent = '';
    });
    this.#panel.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
  }

  /** Shows the clipboard button and its hint. `null` hides both from a view-only viewer. */
  offer(what: Clipboarding | null): void {
    this.#toggle.hidden = what === null;
    this.#hint.textContent = what === null ? '' : HINTS[what];
    this.#editor.hidden = what !== 'both ways';
  }

  /** Shows the delivery state of the text that was sent. */
  delivered(state: Delivery): void {
    if (!this.#sending) return;
    // The machine may fetch an offered text later, and more than once.
    this.#sending = state === 'offered' || state === 'provided';
    this.#done.textContent = DELIVERED[state];
  }

  /** The line is gone, so the delivery of the last text can no longer be known. */
  lost(): void {
    if (this.#sending && this.#done.textContent === 'Sending…') this.#done.textContent = 'The connection was lost. Send the text again.';
    this.#sending = false;
  }

  /** The machine copied a text. */
  receive(text: string): void {
    if (this.#editor.hidden) return;
    this.#text.value = text;
    this.#text.removeAttribute('aria-invalid');
    this.#done.textContent = this.#panel.hidden ? '' : 'The machine just copied this text.';
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

  /** Shows a message if the text is too long. Returns whether it is. */
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
      this.#done.textContent = 'The browser did not allow copying. The text is selected, so you can copy it yourself.';
    }
  }

  async #paste(): Promise<void> {
    try {
      this.#text.value = await navigator.clipboard.readText();
      if (!this.#refuse()) this.#done.textContent = '';
    } catch {
      this.#text.focus();
      this.#done.textContent = 'The browser did not allow pasting. Paste into the field yourself.';
    }
  }
}
