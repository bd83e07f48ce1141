import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LIMIT, tooLong } from './clipboard.ts';

test('a text up to the limit is sent, whatever the size of its characters', () => {
  assert.equal(tooLong(''), null);
  assert.equal(tooLong('x'.repeat(LIMIT)), null);
  assert.equal(tooLong('€'.repeat(Math.floor(LIMIT / 3))), null);
});

test('a longer text is refused, and the message names its size and the limit', () => {
  const sentence = 'This text is too long: it is 17\u00a0MB, and at most 10\u00a0MB can be sent. Shorten it, or send it in parts.';
  assert.equal(tooLong('x'.repeat(17_000_000)), sentence);
  assert.match(tooLong('x'.repeat(LIMIT + 1)) ?? '', /it is 10\.1\u00a0MB, and at most 10\u00a0MB/);
  assert.match(tooLong('€'.repeat(4_000_000)) ?? '', /it is 12\u00a0MB/);
});
