import assert from 'node:assert/strict';
import { test } from 'node:test';

import { answered, closed, noticed } from './reason.ts';

test('a listed close code has its next step and its retry advice', () => {
  const end = closed({ code: 4403, reason: 'This console link has already been used.' }, true);
  assert.equal(end.code, 'token-spent');
  assert.equal(end.retry, 'new-link');
  assert.equal(end.side, 'viewer');
  assert.match(end.nextStep, /new link/);
  assert.equal(closed({ code: 4415, reason: '' }, true).retry, 'resume');
});

test('the text of the close wins over the list, and a detail is separate from its sentence', () => {
  const reworded = closed({ code: 4423, reason: 'Nobody listens there.' }, true);
  assert.equal(reworded.sentence, 'Nobody listens there.');
  const detailed = closed({ code: 4431, reason: 'The VNC server refused the session. (Too many security failures)' }, true);
  assert.equal(detailed.sentence, 'The VNC server refused the session.');
  assert.equal(detailed.detail, 'Too many security failures');
});

test('a detail that does not fit beside its sentence arrives alone', () => {
  const whole = closed({ code: 4430, reason: '(it said "Authentication failure"; only its first 8 characters count)' }, true);
  assert.equal(whole.sentence, 'The VNC server rejected the password that is set for the machine.');
  assert.equal(whole.detail, 'it said "Authentication failure"; only its first 8 characters count');
  assert.equal(closed({ code: 4431, reason: '(Too many secur…' }, true).detail, 'Too many secur…');
});

test('a close without text has the sentence of the list', () => {
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

test('a reason newer than this page is still shown', () => {
  const end = closed({ code: 4499, reason: 'The moon is full.' }, true);
  assert.equal(end.sentence, 'The moon is full.');
  assert.equal(end.code, 'unknown-reason');
});

test('an error answer has its own next step and request id', () => {
  const error = { code: 'token-expired', close_code: 4402, message: 'Too late.', side: 'viewer', next_step: 'Be quick.', request_id: 'req-1' };
  const end = answered(401, { error });
  assert.deepEqual(end, {
    code: 'token-expired', closeCode: 4402, sentence: 'Too late.', side: 'viewer',
    nextStep: 'Be quick.', retry: 'new-link', detail: null, requestId: 'req-1', machine: null,
  });
});

test('an error answer names the machine if its link is valid', () => {
  const error = { code: 'instance-not-running', message: 'The machine is not running.', request_id: 'req-1', instance: 'web-01' };
  assert.equal(answered(409, { error }).machine, 'web-01');
});

test('an answer that is not from Transom is reported as unreadable', () => {
  for (const body of [null, 'Bad Gateway', {}, { error: 'no' }, { error: { code: 7 } }]) {
    const end = answered(502, body);
    assert.equal(end.code, 'answer-unreadable');
    assert.equal(end.detail, 'HTTP 502');
  }
});

test('every reason of the page\'s own has a next step', () => {
  assert.match(noticed('needs-link').nextStep, /link/);
});
