import listed from './end-reasons.json' with { type: 'json' };
import { local } from './local-reasons.ts';

/** The side on which the cause lies. */
export type Side = 'viewer' | 'instance' | 'transom' | 'operator';

/**
 * The advice on retrying: not at all, by reconnecting automatically, with the same link later, or
 * only with a new link.
 */
export type Retry = 'never' | 'resume' | 'later' | 'new-link';

/** The fixed part of a reason, the same in the API, in the log and on the page. */
export interface Reason {
  readonly code: string;
  readonly sentence: string;
  readonly side: Side;
  readonly nextStep: string;
  readonly retry: Retry;
}

/** A reason with the details of one case. */
export interface End extends Reason {
  readonly closeCode: number | null;
  readonly detail: string | null;
  readonly requestId: string | null;
  /** The machine's display name, if the answer contains it. */
  readonly machine: string | null;
}

interface Listed extends Reason {
  readonly closeCode: number;
}

const LIST: readonly Listed[] = listed.map((row) => ({
  code: row.code,
  closeCode: row.close_code,
  sentence: row.sentence,
  side: row.side as Side,
  nextStep: row.next_step,
  retry: row.retry as Retry,
}));

/** Returns the reason for a WebSocket's close. `opened` is true if the WebSocket ever opened. */
export function closed(close: { code: number; reason: string }, opened: boolean): End {
  const known = LIST.find((reason) => reason.closeCode === close.code);
  if (known !== undefined) return worded(known, close.reason, close.code);
  if (close.code >= 4400 && close.code < 4500) return worded(local['unknown-reason'], close.reason, close.code);
  if (close.code === 1000 || close.code === 1001) return end(local['session-ended'], close.code);
  return end(local[opened ? 'connection-lost' : 'websocket-blocked'], close.code);
}

/** Returns the reason in an error answer of `POST /console/exchange`. */
export function answered(status: number, body: unknown): End {
  const error = field(body, 'error');
  const code = field(error, 'code');
  const message = field(error, 'message');
  if (typeof code !== 'string' || typeof message !== 'string') {
    return { ...end(local['answer-unreadable'], null), detail: `HTTP ${status}` };
  }
  const closeCode = field(error, 'close_code');
  const nextStep = field(error, 'next_step');
  const requestId = field(error, 'request_id');
  const machine = field(error, 'instance');
  const known = LIST.find((reason) => reason.code === code) ?? { ...local['unknown-reason'], code };
  const told = typeof nextStep === 'string' && nextStep !== '' ? { ...known, nextStep } : known;
  return {
    ...worded(told, message, typeof closeCode === 'number' ? closeCode : null),
    requestId: typeof requestId === 'string' ? requestId : null,
    machine: typeof machine === 'string' ? machine : null,
  };
}

/** Returns a reason that the page itself detected. */
export function noticed(name: keyof typeof local, detail: string | null = null): End {
  return { ...end(local[name], null), detail };
}

function end(reason: Reason, closeCode: number | null): End {
  const { code, sentence, side, nextStep, retry } = reason;
  return { code, sentence, side, nextStep, retry, closeCode, detail: null, requestId: null, machine: null };
}

/**
 * Applies Transom's text to a reason. The text has the form `sentence (detail)`. If the sentence is
 * the known one, the detail is separated from it. A close frame is short, so a long detail arrives
 * in it without its sentence.
 */
function worded(reason: Reason, text: string, closeCode: number | null): End {
  if (text === '') return end(reason, closeCode);
  const opening = closeCode !== null && text.startsWith('(') ? '(' : `${reason.sentence} (`;
  if (!text.startsWith(opening)) return { ...end(reason, closeCode), sentence: text };
  return { ...end(reason, closeCode), detail: text.slice(opening.length).replace(/\)$/, '') };
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
