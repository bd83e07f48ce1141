// Drives the panel with the machine's clipboard.

const TOGGLE = '#clipboard-toggle';

/**
 * Puts a text on the machine's clipboard.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} text
 */
export async function sendToMachine(page, text) {
  await page.click(TOGGLE);
  await page.fill('#clipboard-text', text);
  await page.click('#clipboard-send');
  // The message depends on the machine. Any other message is a failure.
  await page.getByText(/^(Offered to the machine|Sent to the machine’s VNC server|Sent: the machine received)/).waitFor();
  await page.click('#clipboard-close');
}

/**
 * Waits until the machine has copied this text.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} text
 */
export async function receiveFromMachine(page, text) {
  await page.waitForFunction((wanted) => /** @type {HTMLTextAreaElement} */ (document.getElementById('clipboard-text')).value === wanted, text);
}
