import assert from 'node:assert/strict';
import { test } from 'node:test';

import { clock, span } from './time-left.ts';

test('the last minutes are shown to the second', () => {
  assert.deepEqual([300, 245, 60, 9, 0].map(clock), ['5:00', '4:05', '1:00', '0:09', '0:00']);
});

test('longer times are rounded down to two units', () => {
  assert.deepEqual([301, 3599, 3600, 3660, 86_399, 86_400, 100_000].map(span), ['5 min', '59 min', '1 h', '1 h 1 min', '23 h 59 min', '1 d', '1 d 3 h']);
});
