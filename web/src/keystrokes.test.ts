import assert from 'node:assert/strict';
import { test } from 'node:test';

import { KEYSYM, keystrokes, strokeFor } from './keystrokes.ts';

const keysyms = (before: string, after: string): number[] => keystrokes(before, after).map((stroke) => stroke.keysym);

test('text added at the end is typed', () => {
  assert.deepEqual(keysyms('____', '____ls\n'), [0x6c, 0x73, KEYSYM.Return]);
});

test('text removed at the end is erased', () => {
  assert.deepEqual(keysyms('____', '___'), [KEYSYM.BackSpace]);
});

test('a corrected word is erased back to the first difference and typed again', () => {
  assert.deepEqual(keysyms('__teh', '__the'), [KEYSYM.BackSpace, KEYSYM.BackSpace, 0x68, 0x65]);
});

test('Shift is held for characters that need it on a keyboard', () => {
  assert.deepEqual(strokeFor('a'), { keysym: 0x61, shift: false });
  assert.deepEqual(strokeFor('A'), { keysym: 0x41, shift: true });
  assert.deepEqual(strokeFor('?'), { keysym: 0x3f, shift: true });
  assert.deepEqual(strokeFor('/'), { keysym: 0x2f, shift: false });
});

test('characters beyond Latin-1 become Unicode keysyms, and one emoji is one key', () => {
  assert.equal(strokeFor('é').keysym, 0xe9);
  assert.equal(strokeFor('€').keysym, 0x0100_20ac);
  assert.deepEqual(keysyms('', '😀'), [0x0101_f600]);
  assert.deepEqual(keysyms('😀', ''), [KEYSYM.BackSpace]);
});
