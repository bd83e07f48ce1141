import type { Admission } from '../exchange.ts';
import type { Scaling } from '../scaling.ts';
import { button, element } from './element.ts';

/** What the toolbar asks for. */
export interface Wishes {
  scale(scaling: Scaling): void;
  pan(on: boolean): void;
  ctrlAltDel(): void;
  leave(): void;
  /** The person is done with the toolbar. */
  done(): void;
}

/** The bar with the instance's name and the tools. */
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
      // A click leaves the keyboard with the machine; arrow keys stay in the group.
      choice.addEventListener('click', (event) => {
        if (event.detail > 0) wishes.done();
      });
    }
    this.#tools.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') wishes.done();
    });
    // The machine has every key, so one way out is kept for people without a pointer.
    addEventListener('keydown', (event) => this.#comeHere(event), { capture: true });
  }

  /** Shows whose console this is and what the viewer may do. */
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

  /** Shows how this machine's screen meets the window. */
  choose(scaling: Scaling): void {
    for (const choice of this.#choices()) choice.checked = choice.value === scaling;
  }

  /** The machine is there to be worked with. */
  ready(): void {
    this.#state.textContent = 'Connected';
    this.#tools.inert = false;
  }

  /** The connection is gone for now: the tools have nothing to work on. */
  lost(): void {
    this.#state.textContent = 'Reconnecting…';
    this.#tools.inert = true;
  }

  /** Offers to move the picture where it is larger than the window and fingers are all there is. */
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
