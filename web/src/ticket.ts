/**
 * The newest ticket, kept for this tab only, so that a reload comes back to the session.
 *
 * A ticket that was exchanged is dead, and showing it again ends the session: whoever exchanges stores the new one at once.
 */
const SLOT = 'transom.ticket';

let kept: string | null = read();

/** The newest ticket, if there is one. */
export function newest(): string | null {
  return kept;
}

/** Replaces the ticket. */
export function keep(ticket: string): void {
  kept = ticket;
  write((storage) => storage.setItem(SLOT, ticket));
}

/** Keeps the ticket for this page only: whoever left and reloads does not want to be back. */
export function holdForPage(): void {
  write((storage) => storage.removeItem(SLOT));
}

/** Forgets the ticket: the session is over, or another link was opened. */
export function forget(): void {
  kept = null;
  write((storage) => storage.removeItem(SLOT));
}

// Storage may be switched off; then the ticket lives as long as the page.
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
