import assert from 'node:assert/strict';
import { test } from 'node:test';

import { resizing, type Screen } from './desktop.ts';

const screen = (width: number, height: number, can = true): Screen =>
  ({ _fbWidth: width, _fbHeight: height, _supportsSetDesktopSize: can, _screenID: 0x01020304, _screenFlags: 0 });

test('a resized screen gets its earlier size back', () => {
  const message = resizing(screen(1280, 727), { width: 640, height: 480 });
  assert.deepEqual([...(message ?? [])], [251, 0, 2, 128, 1, 224, 1, 0, 1, 2, 3, 4, 0, 0, 0, 0, 2, 128, 1, 224, 0, 0, 0, 0]);
});

test('a screen that already has the size, has no size, or cannot be resized is left alone', () => {
  assert.equal(resizing(screen(640, 480), { width: 640, height: 480 }), null);
  assert.equal(resizing(screen(0, 0), { width: 640, height: 480 }), null);
  assert.equal(resizing(screen(800, 600, false), { width: 640, height: 480 }), null);
});
