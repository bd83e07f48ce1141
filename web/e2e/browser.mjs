// Starts Debian's Chromium with a fresh profile through playwright-core.
import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

// No sandbox, because tests run in containers. The other flags prevent requests to any host but the
// one under test.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The kinds of device that the page supports. */
export const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  sideways: { viewport: { width: 740, height: 360 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

/**
 * Starts a browser. `insecure` accepts untrusted certificates.
 *
 * @param {{ timeout?: number, insecure?: boolean }} [options]
 */
export async function startBrowser({ timeout = 30_000, insecure = false } = {}) {
  return chromium.launch({
    executablePath: EXECUTABLE,
    timeout,
    args: insecure ? [...FLAGS, '--ignore-certificate-errors'] : FLAGS,
  });
}

/**
 * Opens a page with its own storage and cookies. Its warnings and errors are collected in
 * `complaints`.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {{ device?: keyof typeof DEVICES, theme?: 'light' | 'dark', insecure?: boolean, timeout?: number }} [options]
 */
export async function newPage(browser, { device = 'desktop', theme = 'light', insecure = false, timeout = 30_000 } = {}) {
  const context = await browser.newContext({ ...DEVICES[device], colorScheme: theme, ignoreHTTPSErrors: insecure });
  context.setDefaultTimeout(timeout);
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  const complain = (/** @type {string} */ text) => complaints.length < 20 && complaints.push(text.slice(0, 240));
  page.on('console', (message) => {
    // Only the tests read pixels back, so this warning is not about the page.
    if (message.text().includes('willReadFrequently')) return;
    if (message.type() === 'error' || message.type() === 'warning') complain(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complain(`uncaught: ${error.message}`));
  return { page, complaints };
}
