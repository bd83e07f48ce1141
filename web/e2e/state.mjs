// Reads the state of the console page: `data-stage` and `data-reason` on the root element.

/** @typedef {'checking' | 'connecting' | 'starting' | 'live' | 'reconnecting' | 'ended'} Stage */

/**
 * @param {import('playwright-core').Page} page
 * @returns {Promise<{ stage: Stage, reason: string | null, title: string, address: string, sentence: string, next: string, facts: string, tools: string[] }>}
 */
export function readState(page) {
  return page.evaluate(() => {
    const { stage, reason } = document.documentElement.dataset;
    const tools = [...document.querySelectorAll('#tools button')].filter((tool) => tool.getClientRects().length > 0);
    const text = (/** @type {string} */ id) => document.getElementById(id)?.textContent ?? '';
    return {
      stage: /** @type {any} */ (stage),
      reason: reason ?? null,
      title: document.title,
      address: location.href,
      sentence: text('ending-sentence'),
      next: text('ending-next'),
      facts: text('ending-facts'),
      tools: tools.map((tool) => tool.id),
    };
  });
}

/**
 * Waits until the page reaches one of these stages.
 *
 * @param {import('playwright-core').Page} page
 * @param {Stage[]} stages
 * @param {number} [timeout]
 */
export async function waitForStage(page, stages, timeout) {
  await page.waitForFunction((wanted) => wanted.some((stage) => stage === document.documentElement.dataset.stage), stages, timeout === undefined ? {} : { timeout });
  return readState(page);
}
