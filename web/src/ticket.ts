/**
 * The newest ticket, kept for this tab only, so that a reload comes back to the session.
 *
 * A ticket that was exchanged has one successor: whoever exchanges stores that at once. Where the answer was lost the same
 * ticket may be shown again, once and soon.
 */
const SLOT = 'transom.ticket';

/** The person has disconnected: a reload does not connect without being asked. */
const LEFT_SLOT = 'transom.left';

let kept: string | null = read(SLOT);
let left: boolean = read(LEFT_SLOT) !== null;

/** The newest ticket, if there is one. */
export function newest(): string | null {
  return kept;
}

/** Whether the person has disconnected from the ticket's session. */
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

/** The person has disconnected, and may come back. */
export function leave(): void {
  left = true;
  write((storage) => storage.setItem(LEFT_SLOT, '1'));
}

/** Forgets the ticket: the session is over, or another link was opened. */
export function forget(): void {
  kept = null;
  left = false;
  write((storage) => {
    storage.removeItem(SLOT);
    storage.removeItem(LEFT_SLOT);
  });
}

// Storage may be switched off; then the ticket lives as long as the page.
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
    // Nothing to do: see `read`.
  }
}
