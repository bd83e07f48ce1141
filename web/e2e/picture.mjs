// Reads the machine's screen as pixels of noVNC's canvas.

const CANVAS = '#screen canvas';

/**
 * Returns the size, the number of colours (up to 4096) and a hash of the picture or of a part of
 * it; `null` if there is none.
 *
 * @param {import('playwright-core').Page} page
 * @param {number[]} [part] left, top, width and height
 * @returns {Promise<{ width: number, height: number, colours: number, hash: string } | null>}
 */
export function readPicture(page, part) {
  return page.evaluate(([selector, area]) => {
    const canvas = /** @type {HTMLCanvasElement | null} */ (document.querySelector(selector));
    const context = canvas?.getContext('2d');
    if (!canvas || !context || canvas.width === 0 || canvas.height === 0) return null;
    const [left = 0, top = 0, width = canvas.width, height = canvas.height] = area ?? [];
    const pixels = new Uint32Array(context.getImageData(left, top, width, height).data.buffer);
    const colours = new Set();
    let hash = 0;
    for (const pixel of pixels) {
      const colour = pixel & 0xff_ff_ff;
      if (colours.size < 4096) colours.add(colour);
      hash = (Math.imul(hash, 31) + colour) | 0;
    }
    return { width: canvas.width, height: canvas.height, colours: colours.size, hash: (hash >>> 0).toString(16) };
  }, /** @type {const} */ ([CANVAS, part]));
}

/**
 * Returns the colour of one pixel of the machine's screen, as `#rrggbb`.
 *
 * @param {import('playwright-core').Page} page
 * @param {number} x
 * @param {number} y
 */
export function readPixel(page, x, y) {
  return page.evaluate(([selector, left, top]) => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector(selector));
    const [red = 0, green = 0, blue = 0] = canvas.getContext('2d')?.getImageData(left, top, 1, 1).data ?? [];
    return `#${((red << 16) | (green << 8) | blue).toString(16).padStart(6, '0')}`;
  }, /** @type {const} */ ([CANVAS, x, y]));
}

/**
 * Waits until the picture satisfies `wanted`, which by default requires two colours.
 *
 * @param {import('playwright-core').Page} page
 * @param {(picture: NonNullable<Awaited<ReturnType<typeof readPicture>>>) => boolean} [wanted]
 * @param {number} [timeout]
 * @param {number[]} [part] left, top, width and height of the part to inspect
 */
export async function waitForPicture(page, wanted = (picture) => picture.colours >= 2, timeout = 30_000, part = undefined) {
  const deadline = Date.now() + timeout;
  for (;;) {
    const picture = await readPicture(page, part);
    if (picture !== null && wanted(picture)) return picture;
    if (Date.now() > deadline) throw new Error(`no such picture within ${timeout} ms; the last one: ${JSON.stringify(picture)}`);
    // The page decides when it draws.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  }
}

/**
 * Clicks at a point of the machine's screen, at any scale.
 *
 * @param {import('playwright-core').Page} page
 * @param {number} x
 * @param {number} y
 * @param {{ clickCount?: number }} [how]
 */
export async function clickPicture(page, x, y, how = {}) {
  const canvas = page.locator(CANVAS);
  const box = await canvas.boundingBox();
  const size = await readPicture(page);
  if (box === null || size === null) throw new Error('there is no picture to click on');
  await page.mouse.click(box.x + (x / size.width) * box.width, box.y + (y / size.height) * box.height, how);
}
