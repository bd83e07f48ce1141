/**
 * The page's own channel: JSON in text messages on the WebSocket whose binary messages carry RFB.
 * `docs/API.md` lists the messages.
 *
 * A Transom that supports the channel selects this subprotocol. The page ignores messages that it
 * does not know, so either side may be newer than the other.
 */
export const SUBPROTOCOL = 'transom.page.1';

/** The event that a console waits for before it opens. */
export type Wait = 'connection' | 'acceptance';

/** The delivery state of a text for the machine's clipboard. */
export type Delivery = 'written' | 'offered' | 'provided' | 'skipped';

/** A message from Transom. */
export type Message =
  | { readonly type: 'beat' }
  | { readonly type: 'waiting'; readonly for: Wait }
  | { readonly type: 'ending'; readonly seconds: number }
  | { readonly type: 'clipboard'; readonly state: Delivery };

/**
 * The only message that the page sends on this channel. It never sends `leave` here: a user can end
 * a session only after disconnecting, and the page then ends it with the resume ticket.
 */
export const BEAT = '{"type":"beat"}';

const WAITS: readonly unknown[] = ['connection', 'acceptance'] satisfies Wait[];
const DELIVERIES: readonly unknown[] = ['written', 'offered', 'provided', 'skipped'] satisfies Delivery[];

/** Parses a message. Returns `null` if this page does not know it. */
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
