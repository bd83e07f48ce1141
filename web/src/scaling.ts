/** How the machine's screen meets the window: scaled to fit, pixel by pixel, or the machine follows the window. */
export type Scaling = 'fit' | 'native' | 'remote';

const SLOT = 'transom.scaling';

/** What this person chose last, on this device. */
export function preferred(): Scaling {
  try {
    const stored = localStorage.getItem(SLOT);
    return stored === 'native' || stored === 'remote' ? stored : 'fit';
  } catch {
    return 'fit';
  }
}

/** Remembers the choice, where the browser allows it. */
export function prefer(scaling: Scaling): void {
  try {
    localStorage.setItem(SLOT, scaling);
  } catch {
    // A choice for this page only, then.
  }
}
