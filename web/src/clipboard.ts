/**
 * Longest text that is put on the machine's clipboard, in bytes of UTF-8.
 *
 * Transom skips an extended clipboard message over 10 MiB, and compressed text is never longer than the text; of plain ones
 * it passes a little more.
 */
export const LIMIT = 10_000_000;

/** Why a text is too long to be sent; `null` where it is not. */
export function tooLong(text: string): string | null {
  // A UTF-16 unit takes one to three bytes: most texts need not be measured.
  if (text.length * 3 <= LIMIT) return null;
  const bytes = text.length > LIMIT ? text.length : new TextEncoder().encode(text).length;
  if (bytes <= LIMIT) return null;
  return `This text is too long: it has ${megabytes(bytes)}, and at most ${megabytes(LIMIT)} can be sent. Shorten it, or send it in parts.`;
}

/** Rounded up, so that a text that is refused never looks as if it had the right length. */
function megabytes(bytes: number): string {
  return `${(Math.ceil(bytes / 100_000) / 10).toLocaleString('en', { maximumFractionDigits: 1 })}\u00a0MB`;
}
