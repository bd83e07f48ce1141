/** How the machine's screen meets the window: scaled to fit, pixel by pixel, or the machine follows the window. */
export type Scaling = 'fit' | 'native' | 'remote';

/** Each machine has a slot of its own: what suits one is not done to another. */
const SLOT = 'transom.scaling.';

/**
 * What this person chose last for this machine, on this device.
 *
 * A machine follows the window of a phone only where that was chosen on this very page: it changes the machine for everybody.
 */
export function preferred(machine: string, coarse: boolean, storage: Pick<Storage, 'getItem'> | null = kept()): Scaling {
  try {
    const stored = storage?.getItem(SLOT + machine);
    return stored === 'native' || (stored === 'remote' && !coarse) ? stored : 'fit';
  } catch {
    return 'fit';
  }
}

/** Remembers the choice, where the browser allows it. */
export function prefer(machine: string, scaling: Scaling, storage: Pick<Storage, 'setItem' | 'removeItem'> | null = kept()): void {
  try {
    if (scaling === 'fit') storage?.removeItem(SLOT + machine);
    else storage?.setItem(SLOT + machine, scaling);
  } catch {
    // A choice for this page only, then.
  }
}

function kept(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
