/**
 * The page's own channel: JSON in text messages, beside RFB in binary ones, on the same WebSocket. `docs/API.md` lists them.
 *
 * Transom picks the subprotocol where it knows the channel. What this page does not know it ignores, so that either side may
 * be newer than the other.
 */
export const SUBPROTOCOL = 'transom.page.1';

/** What a console that does not open yet waits for. */
export type Wait = 'connection' | 'acceptance';

/** How far a text for the machine's clipboard came. */
export type Delivery = 'written' | 'offered' | 'provided' | 'skipped';

/** What Transom says. */
export type Message =
  | { readonly type: 'beat' }
  | { readonly type: 'waiting'; readonly for: Wait }
  | { readonly type: 'ending'; readonly seconds: number }
  | { readonly type: 'clipboard'; readonly state: Delivery };

/**
 * What the page says on its line. It never says `leave` there: whoever ends a session has disconnected before, and the page
 * then ends it by its ticket.
 */
export const BEAT = '{"type":"beat"}';

const WAITS: readonly unknown[] = ['connection', 'acceptance'] satisfies Wait[];
const DELIVERIES: readonly unknown[] = ['written', 'offered', 'provided', 'skipped'] satisfies Delivery[];

/** Reads a message; `null` where this page does not know it. */
export function read(text: string): Message | null {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof message !== 'object' || message === null) return null;
  const { type, what, seconds, state, for: cause } = message as Record<string, unknown>;
  switch (type) {
    case 'beat':
      return { type };
    case 'waiting':
      return WAITS.includes(cause) ? { type, for: cause as Wait } : null;
    case 'notice':
      return what === 'ending' && typeof seconds === 'number' ? { type: 'ending', seconds } : null;
    case 'clipboard':
      return DELIVERIES.includes(state) ? { type, state: state as Delivery } : null;
    default:
      return null;
  }
}
