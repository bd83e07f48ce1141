import { KEYSYM, keystrokes, type Stroke } from '../keystrokes.ts';
import { button, element, keepFocus } from './element.ts';

/** The receiver of the on-screen keyboard's keys. */
export interface Keys {
  press(stroke: Stroke): void;
  hold(keysym: number, down: boolean): void;
}

/**
 * Text for Backspace to erase: an on-screen keyboard does not report a key that changes nothing.
 */
const PADDING = '_'.repeat(48);

/** The change in the field's length after which it is reset, between words. */
const SLACK = 40;

const MODIFIERS = [['Ctrl', KEYSYM.Control], ['Alt', KEYSYM.Alt]] as const;

const SPECIAL: readonly (readonly [label: string, keysym: number, name?: string])[] = [
  ['Esc', KEYSYM.Escape, 'Escape'],
  ['Tab', KEYSYM.Tab],
  ['↑', KEYSYM.Up, 'Up'],
  ['↓', KEYSYM.Down, 'Down'],
  ['←', KEYSYM.Left, 'Left'],
  ['→', KEYSYM.Right, 'Right'],
  ['Del', KEYSYM.Delete, 'Delete'],
  ...Array.from({ length: 12 }, (_, index) => [`F${index + 1}`, KEYSYM.F1 + index] as const),
];

/** Keys that type no character but that keyboards report by name. */
const NAMED: Record<string, number> = {
  Escape: KEYSYM.Escape,
  Tab: KEYSYM.Tab,
  ArrowUp: KEYSYM.Up,
  ArrowDown: KEYSYM.Down,
  ArrowLeft: KEYSYM.Left,
  ArrowRight: KEYSYM.Right,
  Delete: KEYSYM.Delete,
};

/** Opens a touch screen's own keyboard and adds the keys that it lacks. */
export class OnScreenKeyboard {
  readonly #keys: Keys;
  readonly #opened: (on: boolean) => void;
  readonly #field = element('typing', HTMLTextAreaElement);
  readonly #strip = element('keys', HTMLElement);
  readonly #toggle = button('keyboard-toggle', () => (this.#strip.hidden ? this.open() : this.close()));
  readonly #held = new Map<number, HTMLButtonElement>();
  #before = PADDING;

  constructor(keys: Keys, opened: (on: boolean) => void) {
    this.#keys = keys;
    this.#opened = opened;
    keepFocus(this.#toggle);
    for (const [label, keysym] of MODIFIERS) this.#key(label, label, (key) => this.#toggleModifier(keysym, key)).setAttribute('aria-pressed', 'false');
    for (const [label, keysym, name] of SPECIAL) this.#key(label, name ?? label, () => this.#press({ keysym, shift: false }));
    this.#field.addEventListener('input', (event) => this.#typed((event as InputEvent).isComposing));
    this.#field.addEventListener('compositionend', () => this.#typed(false));
    this.#field.addEventListener('keydown', (event) => this.#named(event));
    this.#field.addEventListener('focus', () => this.#clean());
  }

  open(): void {
    this.#strip.hidden = false;
    this.#toggle.setAttribute('aria-pressed', 'true');
    this.#opened(true);
    this.#field.focus({ preventScroll: true });
  }

  close(): void {
    if (this.#strip.hidden) return;
    this.#release();
    this.#strip.hidden = true;
    this.#toggle.setAttribute('aria-pressed', 'false');
    this.#field.blur();
    this.#opened(false);
  }

  #key(label: string, name: string, press: (key: HTMLButtonElement) => void): HTMLButtonElement {
    const key = document.createElement('button');
    key.type = 'button';
    key.textContent = label;
    key.setAttribute('aria-label', name);
    key.addEventListener('click', () => press(key));
    keepFocus(key);
    this.#strip.append(key);
    return key;
  }

  /**
   * A modifier stays down for the next key, because pressing two keys of the strip together is
   * impractical.
   */
  #toggleModifier(keysym: number, key: HTMLButtonElement): void {
    const down = !this.#held.has(keysym);
    this.#keys.hold(keysym, down);
    key.setAttribute('aria-pressed', String(down));
    if (down) this.#held.set(keysym, key);
    else this.#held.delete(keysym);
  }

  #press(stroke: Stroke): void {
    this.#keys.press(stroke);
    this.#release();
  }

  #release(): void {
    for (const [keysym, key] of this.#held) {
      this.#keys.hold(keysym, false);
      key.setAttribute('aria-pressed', 'false');
    }
    this.#held.clear();
  }

  #typed(composing: boolean): void {
    const now = this.#field.value;
    for (const stroke of keystrokes(this.#before, now)) this.#press(stroke);
    this.#before = now;
    if (!composing && Math.abs(now.length - PADDING.length) > SLACK) this.#clean();
  }

  #named(event: KeyboardEvent): void {
    const keysym = NAMED[event.key];
    if (keysym === undefined || event.isComposing) return;
    event.preventDefault();
    this.#press({ keysym, shift: false });
  }

  #clean(): void {
    this.#field.value = this.#before = PADDING;
    this.#field.setSelectionRange(PADDING.length, PADDING.length);
  }
}
