import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LOOK_MS, PATIENCE_MS, Pulse, type Clock } from './pulse.ts';

/** Creates a clock that the test advances, and a pulse that uses it. */
function stage(): { pulse: Pulse; pass: (milliseconds: number) => void; sleep: (milliseconds: number) => void; deaths: () => number } {
  let now = 0;
  let look = (): void => {};
  let deaths = 0;
  const clock: Clock = {
    now: () => now,
    every: (_, call) => {
      look = call;
      return () => (look = () => {});
    },
  };
  const pulse = new Pulse(() => (deaths += 1), clock);
  pulse.start();
  const pass = (milliseconds: number): void => {
    for (let passed = 0; passed < milliseconds; passed += LOOK_MS) {
      now += LOOK_MS;
      look();
    }
  };
  const sleep = (milliseconds: number): void => {
    now += milliseconds;
  };
  return { pulse, pass, sleep, deaths: () => deaths };
}

test('a silent line is dead after the limit, and not before', () => {
  const { pass, deaths } = stage();
  pass(PATIENCE_MS - LOOK_MS);
  assert.equal(deaths(), 0);
  pass(LOOK_MS);
  assert.equal(deaths(), 1);
});

test('a line that receives data now and then is alive', () => {
  const { pulse, pass, deaths } = stage();
  for (let times = 0; times < 100; times += 1) {
    pass(PATIENCE_MS - LOOK_MS);
    pulse.heard();
  }
  assert.equal(deaths(), 0);
});

test('a page that slept first reads the data that arrived meanwhile', () => {
  const { pulse, pass, sleep, deaths } = stage();
  sleep(3_600_000);
  pulse.look();
  assert.equal(deaths(), 0);
  pulse.heard();
  pass(PATIENCE_MS - LOOK_MS);
  assert.equal(deaths(), 0);
});

test('a page that slept and then receives nothing gives the line up, also in a hidden tab', () => {
  const { pulse, sleep, deaths } = stage();
  // Timers of hidden tabs fire once a minute.
  for (let minutes = 0; minutes < 2; minutes += 1) {
    sleep(60_000);
    pulse.look();
  }
  assert.equal(deaths(), 1);
});

test('a stopped pulse reports nothing', () => {
  const { pulse, pass, deaths } = stage();
  pulse.stop();
  pass(2 * PATIENCE_MS);
  assert.equal(deaths(), 0);
});
