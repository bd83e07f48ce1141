/** The machine's name, kept for this tab, so that a page that is reloaded into a failure can still name it. */
const SLOT = 'transom.machine';

let kept: string | null = read();

/** What people call the machine, once the page knows. */
export function name(): string | null {
  return kept;
}

/** Keeps the name. */
export function keep(name: string): void {
  kept = name;
  write((storage) => storage.setItem(SLOT, name));
}

/** Forgets the name: another link was opened. */
export function forget(): void {
  kept = null;
  write((storage) => storage.removeItem(SLOT));
}

// Storage may be switched off; then the name lives as long as the page.
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
    // Nothing to do: see `read`.
  }
}
