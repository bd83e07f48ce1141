/** An element of `console.html`, which is part of this page: a missing one is a mistake in it. */
export function element<Kind extends Element>(id: string, kind: abstract new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`console.html has no ${kind.name} #${id}`);
  return found;
}

/** A button of `console.html`. */
export function button(id: string, press: () => void): HTMLButtonElement {
  const found = element(id, HTMLButtonElement);
  found.addEventListener('click', press);
  return found;
}

/** Keeps a button from taking the focus, and with it the on-screen keyboard, from where it is. */
export function keepFocus(target: HTMLElement): void {
  target.addEventListener('pointerdown', (event) => event.preventDefault());
  target.addEventListener('mousedown', (event) => event.preventDefault());
}
