import assert from 'node:assert/strict';
import { test } from 'node:test';

import { prefer, preferred } from './scaling.ts';

function storage(): Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> & { size: number } {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    get size() {
      return kept.size;
    },
  };
}

test('a choice is remembered for its machine only', () => {
  const kept = storage();
  prefer('p/one', 'remote', kept);
  prefer('p/two', 'native', kept);
  assert.equal(preferred('p/one', false, kept), 'remote');
  assert.equal(preferred('p/two', false, kept), 'native');
  assert.equal(preferred('p/three', false, kept), 'fit');
  assert.equal(preferred('q/one', false, kept), 'fit');
});

test('a machine does not follow a phone\'s window unasked', () => {
  const kept = storage();
  prefer('p/one', 'remote', kept);
  assert.equal(preferred('p/one', true, kept), 'fit');
  prefer('p/one', 'native', kept);
  assert.equal(preferred('p/one', true, kept), 'native');
});

test('the default choice is not stored, and missing storage is not an error', () => {
  const kept = storage();
  prefer('p/one', 'native', kept);
  prefer('p/one', 'fit', kept);
  assert.equal(kept.size, 0);
  prefer('p/one', 'native', null);
  assert.equal(preferred('p/one', false, null), 'fit');
});
