/**
 * The longest text that the page sends to the machine's clipboard, in bytes of UTF-8.
 *
 * Transom skips an extended clipboard message over 10 MiB, and compressed text is never longer than
 * the text. For plain clipboard messages its limit is slightly higher.
 */
export const LIMIT = 10_000_000;

/**
 * Returns a sentence that says why a text is too long to be sent, or `null` if it is short enough.
 */
export function tooLong(text: string): string | null {
  // A UTF-16 unit takes one to three bytes, so most texts need no measuring.
  if (text.length * 3 <= LIMIT) return null;
  const bytes = text.length > LIMIT ? text.length : new TextEncoder().encode(text).length;
  if (bytes <= LIMIT) return null;
  return `This text is too long: it is ${megabytes(bytes)}, and at most ${megabytes(LIMIT)} can be sent. Shorten it, or send it in parts.`;
}

/** Formats a size, rounded up so that a refused text never appears to be within the limit. */
function megabytes(bytes: number): string {
  return `${(Math.ceil(bytes / 100_000) / 10).toLocaleString('en', { maximumFractionDigits: 1 })}\u00a0MB`;
}
