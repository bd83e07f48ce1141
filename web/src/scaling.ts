/**
 * The way the screen is shown: scaled to the window, at its own size, or resized by the machine to
 * follow the window.
 */
export type Scaling = 'fit' | 'native' | 'remote';

/**
 * The prefix of the storage slots. Each machine has its own slot, so a choice for one does not
 * affect another.
 */
const SLOT = 'transom.scaling.';

/**
 * Returns the last choice for this machine in this browser.
 *
 * On a touch screen a stored `remote` is ignored: resizing the machine affects everyone, so the
 * user must choose it again.
 */
export function preferred(machine: string, coarse: boolean, storage: Pick<Storage, 'getItem'> | null = kept()): Scaling {
  try {
    const stored = storage?.getItem(SLOT + machine);
    return stored === 'native' || (stored === 'remote' && !coarse) ? stored : 'fit';
  } catch {
    return 'fit';
  }
}

/** Stores the choice, if the browser allows it. */
export function prefer(machine: string, scaling: Scaling, storage: Pick<Storage, 'setItem' | 'removeItem'> | null = kept()): void {
  try {
    if (scaling === 'fit') storage?.removeItem(SLOT + machine);
    else storage?.setItem(SLOT + machine, scaling);
  } catch {
    // The choice then applies to this page only.
  }
}

function kept(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
