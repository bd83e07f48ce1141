import type { Admission } from '../exchange.ts';
import type { Scaling } from '../scaling.ts';
import { button, element } from './element.ts';

/** The requests of the toolbar. */
export interface Wishes {
  scale(scaling: Scaling): void;
  pan(on: boolean): void;
  ctrlAltDel(): void;
  leave(): void;
  /** The user is done with the toolbar. */
  done(): void;
}

/** The bar with the machine's name and the tools. */
export class Toolbar {
  readonly #tools = element('tools', HTMLElement);
  readonly #name = element('name', HTMLElement);
  readonly #state = element('state', HTMLElement);
  readonly #badge = element('view-only', HTMLElement);
  readonly #ctrlAltDel: HTMLButtonElement;
  readonly #keyboard = element('keyboard-toggle', HTMLButtonElement);
  readonly #pan: HTMLButtonElement;
  readonly #wishes: Wishes;

  constructor(wishes: Wishes) {
    this.#wishes = wishes;
    this.#ctrlAltDel = button('ctrl-alt-del', () => {
      wishes.ctrlAltDel();
      wishes.done();
    });
    this.#pan = button('pan', () => this.#setPan(this.#pan.getAttribute('aria-pressed') !== 'true'));
    button('leave', () => wishes.leave());
    for (const choice of this.#choices()) {
      choice.addEventListener('change', () => wishes.scale(choice.value as Scaling));
      // After a click the keyboard goes back to the machine. Arrow keys stay in the group.
      choice.addEventListener('click', (event) => {
        if (event.detail > 0) wishes.done();
      });
    }
    this.#tools.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') wishes.done();
    });
    // All keys go to the machine, so users without a pointer need one shortcut to the toolbar.
    addEventListener('keydown', (event) => this.#comeHere(event), { capture: true });
  }

  /** Shows the machine's name and the viewer's rights. */
  admit({ instance, rights }: Admission): void {
    this.#name.textContent = instance.name;
    this.#name.title = instance.name;
    this.#badge.hidden = !rights.viewOnly;
    this.#ctrlAltDel.hidden = rights.viewOnly;
    this.#keyboard.hidden = rights.viewOnly;
    document.documentElement.classList.toggle('watching', rights.viewOnly);
    for (const choice of this.#choices()) {
      if (choice.value === 'remote') choice.disabled = rights.viewOnly;
    }
  }

  /** Selects the scaling of this machine's screen. */
  choose(scaling: Scaling): void {
    for (const choice of this.#choices()) choice.checked = choice.value === scaling;
  }

  /** Enables the tools: the machine is connected. */
  ready(): void {
    this.#state.textContent = 'Connected';
    this.#tools.inert = false;
  }

  /** Disables the tools while the connection is lost. */
  lost(): void {
    this.#state.textContent = 'Reconnecting…';
    this.#tools.inert = true;
  }

  /** Shows the button for moving the picture if it is larger than the window on a touch screen. */
  clipped(on: boolean): void {
    this.#pan.hidden = !on;
    this.#setPan(false);
  }

  #setPan(on: boolean): void {
    this.#pan.setAttribute('aria-pressed', String(on));
    this.#wishes.pan(on);
  }

  #comeHere(event: KeyboardEvent): void {
    if (!event.ctrlKey || !event.altKey || !event.shiftKey || !['Control', 'Alt', 'Shift'].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#tools.querySelector<HTMLElement>('input:checked, button:not([hidden])')?.focus();
  }

  #choices(): NodeListOf<HTMLInputElement> {
    return this.#tools.querySelectorAll<HTMLInputElement>('input[name="scaling"]');
  }
}
