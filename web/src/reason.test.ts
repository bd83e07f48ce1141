import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered, closed, noticed } from './reason.ts';

test('a close code of the list brings its next step and whether to come back', () => {
  const end = closed({ code: 4403, reason: 'This console link has already been used.' }, true);
  assert.equal(end.code, 'token-spent');
  assert.equal(end.retry, 'new-link');
  assert.equal(end.side, 'viewer');
  assert.match(end.nextStep, /new link/);
  assert.equal(closed({ code: 4415, reason: '' }, true).retry, 'resume');
});

test('the words of the close win over the list, and a detail stands by itself', () => {
  const reworded = closed({ code: 4423, reason: 'Nobody listens there.' }, true);
  assert.equal(reworded.sentence, 'Nobody listens there.');
  const detailed = closed({ code: 4431, reason: 'The VNC server refused the session. (Too many security failures)' }, true);
  assert.equal(detailed.sentence, 'The VNC server refused the session.');
  assert.equal(detailed.detail, 'Too many security failures');
});

test('a detail that would not fit beside its sentence comes alone', () => {
  const whole = closed({ code: 4430, reason: '(it said "Authentication failure"; only its first 8 characters count)' }, true);
  assert.equal(whole.sentence, 'The VNC server did not accept the instance\'s password.');
  assert.equal(whole.detail, 'it said "Authentication failure"; only its first 8 characters count');
  assert.equal(closed({ code: 4431, reason: '(Too many secur…' }, true).detail, 'Too many secur…');
});

test('a close without words has the sentence of the list', () => {
  assert.equal(closed({ code: 4409, reason: '' }, true).sentence, 'This session was ended by an operator.');
});

test('1006 is never shown without a cause', () => {
  assert.equal(closed({ code: 1006, reason: '' }, true).code, 'connection-lost');
  assert.equal(closed({ code: 1006, reason: '' }, false).code, 'websocket-blocked');
  assert.equal(closed({ code: 1006, reason: '' }, true).closeCode, 1006);
});

test('a normal close is no failure', () => {
  assert.equal(closed({ code: 1000, reason: '' }, true).code, 'session-ended');
  assert.equal(closed({ code: 1001, reason: '' }, true).code, 'session-ended');
});

test('a reason newer than this page is still told', () => {
  const end = closed({ code: 4499, reason: 'The moon is full.' }, true);
  assert.equal(end.sentence, 'The moon is full.');
  assert.equal(end.code, 'unknown-reason');
});

test('an error answer brings its own next step and request id', () => {
  const error = { code: 'token-expired', close_code: 4402, message: 'Too late.', side: 'viewer', next_step: 'Be quick.', request_id: 'req-1' };
  const end = answered(401, { error });
  assert.deepEqual(end, {
    code: 'token-expired', closeCode: 4402, sentence: 'Too late.', side: 'viewer',
    nextStep: 'Be quick.', retry: 'new-link', detail: null, requestId: 'req-1', machine: null,
  });
});

test('an error answer names the machine where its link stands', () => {
  const error = { code: 'instance-not-running', message: 'The instance is not running.', request_id: 'req-1', instance: 'web-01' };
  assert.equal(answered(409, { error }).machine, 'web-01');
});

test('an answer that is not ours says so', () => {
  for (const body of [null, 'Bad Gateway', {}, { error: 'no' }, { error: { code: 7 } }]) {
    const end = answered(502, body);
    assert.equal(end.code, 'answer-unreadable');
    assert.equal(end.detail, 'HTTP 502');
  }
});

test('every reason of the page itself has a next step', () => {
  assert.match(noticed('needs-link').nextStep, /link/);
});
