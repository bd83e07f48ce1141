import assert from 'node:assert/strict';
import { test } from 'node:test';

import { tokenIn } from './token.ts';

const at = (link: string): string | null => tokenIn(new URL(link, 'https://transom.test'));

test('the fragment carries the token', () => {
  assert.equal(at('/console#token=abc-_123'), 'abc-_123');
});

test('the query carries the token', () => {
  assert.equal(at('/console?token=abc'), 'abc');
  assert.equal(at('/vnc_lite.html?token=3f2b8a52-5c0f-4b52-9d7e-0c1f3a1f2b11&title=web-1'), '3f2b8a52-5c0f-4b52-9d7e-0c1f3a1f2b11');
});

test('the path of a noVNC link carries the token, escaped or not', () => {
  assert.equal(at('/vnc_auto.html?path=%3Ftoken%3Dabc'), 'abc');
  assert.equal(at('/vnc_auto.html?path=websockify?token=abc'), 'abc');
  assert.equal(at('/vnc.html?autoconnect=true&path=%2Fwebsockify%3Fx%3D1%26token%3Dabc'), 'abc');
});

test('the fragment wins over the query, the query over the path', () => {
  assert.equal(at('/console?token=b&path=%3Ftoken%3Dc#token=a'), 'a');
  assert.equal(at('/console?token=b&path=%3Ftoken%3Dc'), 'b');
});

test('an address without a token has none', () => {
  for (const link of ['/console', '/console#', '/console#token=', '/console?token=', '/vnc.html?path=token%3Dabc', '/vnc.html?path=%3F']) {
    assert.equal(at(link), null, link);
  }
});

test('other parameters are ignored', () => {
  assert.equal(at('/vnc.html?host=evil.test&port=1&password=x&encrypt=0#password=y'), null);
});
