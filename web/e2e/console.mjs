#!/usr/bin/env node
// Opens a console URL as a user would and prints one JSON line about it.
//
//   node e2e/console.mjs URL [options]
//
// Actions and expectations, in this order:
//   --expect STAGE   the stage to wait for (default: live, which includes a non-blank picture)
//   --then STAGE     a further stage to wait for; repeatable: `--then reconnecting --then live`
//   --step STEP      a further action or a condition to wait for; repeatable, in the given order:
//                      stage=STAGE   waits for a stage, like --then
//                      press=ID      presses a button of the page
//                      press-choice=SIZE   chooses the screen's size (fit, native, remote)
//                      resized       waits until the size of the machine's screen has changed
//                      shows=TEXT    waits until the page shows this text
//                      fill=N        writes N letters into the clipboard's panel
//                      reload        reloads the page
//                      go            waits for a line on standard input
//                      pass=SECONDS  advances the page's clock
//                      shot=FILE     takes a screenshot
//   --click X,Y      clicks at a point of the machine's screen
//   --send TEXT      puts a text on the machine's clipboard through the clipboard panel
//   --type TEXT      types a text as a user would
//   --key KEY        presses a key, named as in Playwright; repeatable
//   --tool ID        presses a button of the toolbar; repeatable
//   --scaling SIZE   chooses the screen's size (fit, native, remote); for remote, waits until the
//                    machine has resized
//   --mark X,Y       selects the word at a point of the machine's screen by a double click
//   --receives TEXT  waits until the clipboard panel shows this text
//   --changes        waits until the picture differs from the first one
//   --part X,Y,W,H   limits --changes to this part of the machine's screen
//   --reload         reloads the page and waits for --expect again
//   --duplicate      opens the page in a second tab, as “Duplicate tab” does: the second tab
//                    becomes live (`second` in the report), and the first one ends
//   --other URL      opens another console in a second tab of the same browser; `other` in the
//                    report is its picture
//   --shot FILE      takes a screenshot
//   --reason CODE    the end reason that the page must show at the end
// Settings:
//   --device desktop|phone|sideways   --theme light|dark   --insecure (accepts any certificate)
//   --timeout MS (for each wait)
//
// Each stage is printed to stderr when it is reached, as `stage: live`, so that a test can act at the
// right moment. `live` is printed once the picture is visible.
// Exit status: 0 as expected, 1 not as expected, 2 if the browser or the command line failed.
import { once } from 'node:events';
import { parseArgs } from 'node:util';

import { newPage, startBrowser } from './browser.mjs';
import { receiveFromMachine, sendToMachine } from './clipboard.mjs';
import { clickPicture, readPicture, waitForPicture } from './picture.mjs';
import { readState, waitForStage } from './state.mjs';
import { typeLikeAPerson } from './typing.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    expect: { type: 'string', default: 'live' },
    reason: { type: 'string' },
    click: { type: 'string' },
    type: { type: 'string' },
    key: { type: 'string', multiple: true, default: [] },
    tool: { type: 'string', multiple: true, default: [] },
    scaling: { type: 'string' },
    send: { type: 'string' },
    mark: { type: 'string' },
    receives: { type: 'string' },
    changes: { type: 'boolean', default: false },
    part: { type: 'string' },
    then: { type: 'string', multiple: true, default: [] },
    step: { type: 'string', multiple: true, default: [] },
    other: { type: 'string' },
    reload: { type: 'boolean', default: false },
    duplicate: { type: 'boolean', default: false },
    shot: { type: 'string' },
    device: { type: 'string', default: 'desktop' },
    theme: { type: 'string', default: 'light' },
    insecure: { type: 'boolean', default: false },
    timeout: { type: 'string', default: '30000' },
  },
});
const timeout = Number(options.timeout);
const started = Date.now();
/** @type {Record<string, unknown>} */
const report = { ok: false };
let exit = 2;

/** @type {import('playwright-core').Browser | undefined} */
let browser;
try {
  const [url] = positionals;
  if (url === undefined) throw new Error('usage: node e2e/console.mjs URL [options]');
  browser = await startBrowser({ timeout, insecure: options.insecure });
  const { page, complaints } = await newPage(browser, /** @type {any} */ ({ ...options, timeout }));
  if (options.step.some((step) => step.startsWith('pass='))) await page.clock.install();
  report.complaints = complaints;
  await page.goto(url);
  exit = 1;
  const part = options.part?.split(',').map(Number);
  const first = await arrive(page, options.expect).then((picture) => (part === undefined ? picture : readPicture(page, part)));
  report.arrived_ms = Date.now() - started;
  for (const stage of options.then) await arrive(page, stage);
  for (const step of options.step) await take(page, step, first);
  if (options.click !== undefined) await clickPicture(page, ...point(options.click));
  if (options.send !== undefined) await sendToMachine(page, options.send);
  if (options.type !== undefined) await typeLikeAPerson(page, options.type);
  for (const key of options.key) {
    const before = await readPicture(page);
    await page.keyboard.press(key);
    // A machine pastes only once it has the text, so the next key must wait for the result.
    if (key !== options.key.at(-1)) await waitForPicture(page, (picture) => picture.hash !== before?.hash, timeout);
  }
  for (const tool of options.tool) await page.click(`#tools #${tool}`);
  if (options.scaling !== undefined) {
    await page.click(`#tools label:has(input[value="${options.scaling}"])`);
    if (options.scaling === 'remote') await waitForPicture(page, (picture) => picture.width !== first?.width, timeout);
  }
  if (options.mark !== undefined) await clickPicture(page, ...point(options.mark), { clickCount: 2 });
  if (options.receives !== undefined) await receiveFromMachine(page, options.receives);
  if (options.changes) await waitForPicture(page, (picture) => picture.hash !== first?.hash, timeout, part);
  if (options.reload) {
    await page.reload();
    await arrive(page, options.expect);
  }
  if (options.duplicate) {
    const [second] = await Promise.all([page.waitForEvent('popup'), page.evaluate(() => void window.open(location.href))]);
    await arrive(second, 'live');
    report.second = await readState(second);
    await arrive(page, 'ended');
  }
  if (options.other !== undefined) {
    const other = await page.context().newPage();
    await other.goto(options.other);
    await arrive(other, 'live');
    report.other = await readPicture(other);
  }
  if (options.shot !== undefined) await page.screenshot({ path: options.shot });
  Object.assign(report, await readState(page), { full_screen: await page.evaluate(() => document.fullscreenElement !== null) }, { picture: await readPicture(page) });
  if (options.reason !== undefined && report.reason !== options.reason) throw new Error(`the reason is ${report.reason}`);
  if (/token/i.test(String(report.address))) throw new Error('the address bar still shows the token');
  // Close the tabs as a user would, because the page acts on being closed.
  for (const open of page.context().pages()) await open.close();
  report.ok = true;
  exit = 0;
} catch (error) {
  report.error = String(error).slice(0, 400);
  const page = browser?.contexts()[0]?.pages()[0];
  if (page !== undefined) Object.assign(report, await readState(page).catch(() => ({})));
} finally {
  await browser?.close();
}
report.ms = Date.now() - started;
console.log(JSON.stringify(report));
process.exit(exit);

/**
 * @param {string} text
 * @returns {[number, number]}
 */
function point(text) {
  const [x = 0, y = 0] = text.split(',').map(Number);
  return [x, y];
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} stage
 */
async function arrive(page, stage) {
  const expected = /** @type {import('./state.mjs').Stage} */ (stage);
  // If the page ends unexpectedly, stop waiting.
  const reached = await waitForStage(page, [expected, 'ended'], timeout);
  if (reached.stage !== expected) throw new Error(`ended for ${reached.reason}`);
  const picture = await (expected === 'live' ? waitForPicture(page, undefined, timeout) : readPicture(page));
  console.error(`stage: ${expected}`);
  return picture;
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} step
 * @param {Awaited<ReturnType<typeof readPicture>>} first the first picture
 */
async function take(page, step, first) {
  const [what, value = ''] = step.split(/=(.*)/s);
  switch (what) {
    case 'stage':
      await arrive(page, value);
      break;
    case 'press':
      await page.click(`#${value}`);
      break;
    case 'press-choice':
      await page.click(`#tools label:has(input[value="${value}"])`);
      break;
    case 'resized': {
      await waitForPicture(page, (picture) => picture.width !== first?.width || picture.height !== first.height, timeout);
      break;
    }
    case 'shows':
      await page.getByText(value).filter({ visible: true }).first().waitFor();
      break;
    case 'fill':
      await page.evaluate((length) => {
        const field = /** @type {HTMLTextAreaElement} */ (document.getElementById('clipboard-text'));
        field.value = 'x'.repeat(length);
        field.dispatchEvent(new Event('input', { bubbles: true }));
      }, Number(value));
      break;
    case 'reload':
      await page.reload();
      break;
    case 'go':
      process.stdin.resume();
      await once(process.stdin, 'data');
      process.stdin.pause();
      break;
    case 'pass':
      await page.clock.fastForward(Number(value) * 1000);
      break;
    case 'shot':
      await page.screenshot({ path: value });
      break;
    default:
      throw new Error(`there is no step ${step}`);
  }
  console.error(`step: ${step}`);
}
