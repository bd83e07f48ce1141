/** Returns an element of `console.html`. A missing element is a programming error. */
export function element<Kind extends Element>(id: string, kind: abstract new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`console.html has no ${kind.name} #${id}`);
  return found;
}

/** Returns a button of `console.html` and listens for clicks on it. */
export function button(id: string, press: () => void): HTMLButtonElement {
  const found = element(id, HTMLButtonElement);
  found.addEventListener('click', press);
  return found;
}

/** Prevents a button from taking the focus, which would close the on-screen keyboard. */
export function keepFocus(target: HTMLElement): void {
  target.addEventListener('pointerdown', (event) => event.preventDefault());
  target.addEventListener('mousedown', (event) => event.preventDefault());
}
