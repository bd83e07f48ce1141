import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readAdmission } from './exchange.ts';

const body = {
  session: 's-1',
  ticket: 't-1',
  ticket_expires_at: '2026-11-21T04:00:00Z',
  websocket: '/console/session',
  instance: { project: 'p-1', id: 'i-1', name: 'build machine' },
  request: '1a2b3c4d',
  rights: { view_only: false, clipboard: true },
};

test('an admission is parsed', () => {
  assert.deepEqual(readAdmission(body), {
    session: 's-1',
    ticket: 't-1',
    websocket: '/console/session',
    instance: { project: 'p-1', id: 'i-1', name: 'build machine' },
    request: '1a2b3c4d',
    endsIn: null,
    rights: { viewOnly: false, clipboard: true },
  });
});

test('an instance without a name is shown by its id', () => {
  assert.equal(readAdmission({ ...body, instance: { project: 'p-1', id: 'i-1', name: '' } })?.instance.name, 'i-1');
});

test('an admission contains the seconds until its link ends', () => {
  assert.equal(readAdmission({ ...body, ends_in_seconds: 3600 })?.endsIn, 3600);
});

test('a missing right counts as denied', () => {
  assert.deepEqual(readAdmission({ ...body, rights: undefined })?.rights, { viewOnly: true, clipboard: false });
});

test('an admission without a required member is refused', () => {
  for (const part of ['session', 'ticket', 'websocket', 'instance']) {
    assert.equal(readAdmission({ ...body, [part]: undefined }), null, part);
  }
  assert.equal(readAdmission(null), null);
});
