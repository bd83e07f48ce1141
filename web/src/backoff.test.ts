import assert from 'node:assert/strict';
import { test } from 'node:test';

import { pauseBefore } from './backoff.ts';

const middle = (): number => 0.5;

test('pauses double up to fifteen seconds', () => {
  const pauses = [1, 2, 3, 4, 5, 6, 7, 8].map((attempt) => pauseBefore(attempt, middle));
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
});

test('a page gives up after about two minutes', () => {
  let attempt = 1;
  let waited = 0;
  for (let pause = pauseBefore(attempt, middle); pause !== null; pause = pauseBefore(attempt, middle)) {
    waited += pause;
    attempt += 1;
  }
  assert.ok(waited >= 110_000 && waited <= 130_000, `${waited} ms`);
});

test('jitter spreads a pause by a fifth either way', () => {
  assert.equal(pauseBefore(3, () => 0), 1600);
  assert.equal(pauseBefore(3, () => 1), 2400);
});
