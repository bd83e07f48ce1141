/**
 * The storage slot for the newest resume ticket. It belongs to this tab only, so that a reload
 * returns to the session.
 *
 * Each exchange replaces the ticket, and the page stores the new one at once. If the answer was
 * lost, the page may exchange the same ticket once more within a short time.
 */
const SLOT = 'transom.ticket';

/**
 * The storage slot that records a disconnect by the user: after it, a reload does not reconnect
 * automatically.
 */
const LEFT_SLOT = 'transom.left';

let kept: string | null = read(SLOT);
let left: boolean = read(LEFT_SLOT) !== null;

/** Returns the newest ticket, or `null` if there is none. */
export function newest(): string | null {
  return kept;
}

/** Returns whether the user has disconnected from the ticket's session. */
export function isLeft(): boolean {
  return kept !== null && left;
}

/** Replaces the ticket. */
export function keep(ticket: string): void {
  kept = ticket;
  left = false;
  write((storage) => {
    storage.setItem(SLOT, ticket);
    storage.removeItem(LEFT_SLOT);
  });
}

/** Records that the user has disconnected and may come back. */
export function leave(): void {
  left = true;
  write((storage) => storage.setItem(LEFT_SLOT, '1'));
}

/** Removes the ticket, because the session is over or another link was opened. */
export function forget(): void {
  kept = null;
  left = false;
  write((storage) => {
    storage.removeItem(SLOT);
    storage.removeItem(LEFT_SLOT);
  });
}

// Storage may be disabled. The ticket then lasts as long as the page.
function read(slot: string): string | null {
  try {
    return sessionStorage.getItem(slot);
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
