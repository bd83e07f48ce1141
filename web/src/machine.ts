/**
 * The storage slot for the machine's name. The tab stores it so that a page that fails after a
 * reload can still show it.
 */
const SLOT = 'transom.machine';

let kept: string | null = read();

/** Returns the machine's display name, or `null` if the page does not know it yet. */
export function name(): string | null {
  return kept;
}

/** Stores the name. */
export function keep(name: string): void {
  kept = name;
  write((storage) => storage.setItem(SLOT, name));
}

/** Removes the name, because another link was opened. */
export function forget(): void {
  kept = null;
  write((storage) => storage.removeItem(SLOT));
}

// Storage may be disabled. The name then lasts as long as the page.
function read(): string | null {
  try {
    return sessionStorage.getItem(SLOT);
  } catch {
    return null;
  }
}

function write(change: (storage: Storage) => void): void {
  try {
    change(sessionStorage);
  } catch {
    // Storage is disabled: see `read`.
  }
}
