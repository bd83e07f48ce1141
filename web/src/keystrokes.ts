/** X11 keysyms of keys that are not characters (`keysymdef.h`). */
export const KEYSYM = {
  BackSpace: 0xff08,
  Tab: 0xff09,
  Return: 0xff0d,
  Escape: 0xff1b,
  Left: 0xff51,
  Up: 0xff52,
  Right: 0xff53,
  Down: 0xff54,
  F1: 0xffbe,
  Shift: 0xffe1,
  Control: 0xffe3,
  Alt: 0xffe9,
  Delete: 0xffff,
} as const;

/** One key to press and release, with or without Shift held. */
export interface Stroke {
  readonly keysym: number;
  readonly shift: boolean;
}

// Virtual machines translate a keysym back into a key and track Shift themselves. A character that
// needs Shift on a US keyboard is therefore sent with Shift held, as a keyboard would send it.
const SHIFTED = /^[A-Z~!@#$%^&*()_+{}|:"<>?]$/;

/** Returns the key that types a character. */
export function strokeFor(character: string): Stroke {
  if (character === '\n') return { keysym: KEYSYM.Return, shift: false };
  if (character === '\t') return { keysym: KEYSYM.Tab, shift: false };
  const point = character.codePointAt(0) ?? 0;
  const latin1 = (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0xff);
  // Latin-1 keysyms are the characters themselves; all others are Unicode keysyms.
  return { keysym: latin1 ? point : 0x0100_0000 + point, shift: SHIFTED.test(character) };
}

/**
 * Returns the keys that change the end of one text so that it becomes the other.
 *
 * On-screen keyboards report the new text instead of the key that was pressed, and they rewrite
 * whole words while they compose or correct.
 */
export function keystrokes(before: string, after: string): Stroke[] {
  const old = [...before];
  const now = [...after];
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same += 1;
  const erased = old.slice(same).map((): Stroke => ({ keysym: KEYSYM.BackSpace, shift: false }));
  return [...erased, ...now.slice(same).map(strokeFor)];
}
