// Types as a user at a US keyboard would, with Shift held for capitals. Playwright's own `type`
// does not hold Shift. A virtual machine receives keys rather than characters, so it would read
// lower-case letters.

/** @type {Map<string, [code: string, shift: boolean]>} */
const KEYS = new Map([[' ', ['Space', false]], ['\n', ['Enter', false]], ['\t', ['Tab', false]]]);
for (const letter of 'abcdefghijklmnopqrstuvwxyz') {
  KEYS.set(letter, [`Key${letter.toUpperCase()}`, false]);
  KEYS.set(letter.toUpperCase(), [`Key${letter.toUpperCase()}`, true]);
}
const PAIRS = {
  Digit1: '1!', Digit2: '2@', Digit3: '3#', Digit4: '4$', Digit5: '5%', Digit6: '6^', Digit7: '7&', Digit8: '8*', Digit9: '9(', Digit0: '0)',
  Backquote: '`~', Minus: '-_', Equal: '=+', BracketLeft: '[{', BracketRight: ']}', Backslash: '\\|', Semicolon: ';:', Quote: '\'"',
  Comma: ',<', Period: '.>', Slash: '/?',
};
for (const [code, pair] of Object.entries(PAIRS)) {
  KEYS.set(pair.charAt(0), [code, false]);
  KEYS.set(pair.charAt(1), [code, true]);
}

/** The duration of a key press. Guests that poll their keyboard miss shorter presses. */
const PRESS_MS = 15;

/**
 * Types a text into the element that has the focus.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} text
 */
export async function typeLikeAPerson(page, text) {
  for (const character of text) {
    const key = KEYS.get(character);
    if (key === undefined) throw new Error(`a US keyboard has no ${JSON.stringify(character)}`);
    const [code, shift] = key;
    if (shift) await page.keyboard.down('Shift');
    await page.keyboard.press(code, { delay: PRESS_MS });
    if (shift) await page.keyboard.up('Shift');
  }
}
