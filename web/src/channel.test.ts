import assert from 'node:assert/strict';
import { test } from 'node:test';

import { read } from './channel.ts';

test('messages from Transom are parsed', () => {
  assert.deepEqual(read('{"type":"beat"}'), { type: 'beat' });
  assert.deepEqual(read('{"type":"waiting","for":"acceptance"}'), { type: 'waiting', for: 'acceptance' });
  assert.deepEqual(read('{"type":"waiting","for":"connection"}'), { type: 'waiting', for: 'connection' });
  assert.deepEqual(read('{"type":"notice","what":"ending","seconds":300}'), { type: 'ending', seconds: 300 });
  for (const state of ['written', 'offered', 'provided', 'skipped']) {
    assert.deepEqual(read(`{"type":"clipboard","state":"${state}"}`), { type: 'clipboard', state });
  }
});

test('unknown messages are ignored', () => {
  for (const text of ['', 'beat', 'null', '[]', '7', '{}', '{"type":"who"}', '{"type":"waiting","for":"Godot"}',
    '{"type":"notice","what":"restart"}', '{"type":"notice","what":"ending"}', '{"type":"clipboard","state":"eaten"}']) {
    assert.equal(read(text), null, text);
  }
});
