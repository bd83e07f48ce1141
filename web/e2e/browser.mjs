// Debian's Chromium, with a fresh profile, by playwright-core.
import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

// No sandbox: tests run in containers. The rest keeps Chromium from talking to anybody but the page under test.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The devices that the page has to suit. */
export const DEVICES = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  sideways: { viewport: { width: 740, height: 360 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

/**
 * Starts a browser. `insecure` accepts certificates that nobody vouches for.
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
 * Opens a page of its own: own storage, own cookies. What the page complains about is collected in `complaints`.
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
    // Reading pixels back is what tests do, not the page.
    if (message.text().includes('willReadFrequently')) return;
    if (message.type() === 'error' || message.type() === 'warning') complain(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complain(`uncaught: ${error.message}`));
  return { page, complaints };
}
