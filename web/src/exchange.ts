import { answered, noticed, type End } from './reason.ts';

/** The result of exchanging a token or a ticket: access to one session for a limited time. */
export interface Admission {
  readonly session: string;
  readonly ticket: string;
  readonly websocket: string;
  /** The machine. Its id is unique only within its project. */
  readonly instance: { readonly project: string; readonly id: string; readonly name: string };
  /** The short form of the WebSocket's request id, which a close frame does not carry. */
  readonly request: string | null;
  /** The seconds until the link ends, and the session with it. `null` if the link has no end. */
  readonly endsIn: number | null;
  readonly rights: { readonly viewOnly: boolean; readonly clipboard: boolean };
}

/** The link's token at first, and the newest ticket afterwards. */
export type Credential = { readonly token: string } | { readonly ticket: string };

/** The outcome of an exchange. */
export type Answer = { readonly admission: Admission } | { readonly end: End };

/**
 * The time limit for an exchange. Transom answers from its database without connecting anywhere, so
 * a later answer is lost.
 */
const ANSWER_LIMIT_MS = 15_000;

/**
 * The time limit for a reachability check. An answer is a few bytes, and a dead connection must not
 * delay the page longer.
 */
const SIGN_LIMIT_MS = 5_000;

/** Exchanges the credential at Transom. */
export async function exchange(credential: Credential): Promise<Answer> {
  let status: number;
  let body: unknown;
  try {
    const response = await post(credential);
    status = response.status;
    body = await response.json().catch((error: unknown) => {
      if (error instanceof SyntaxError) return null;
      throw error;
    });
  } catch {
    return { end: noticed('transom-unreachable') };
  }
  if (status !== 200) return { end: answered(status, body) };
  const admission = readAdmission(body);
  return admission === null ? { end: answered(status, null) } : { admission };
}

/** Ends the ticket's session without a WebSocket. Returns `null` once the session has ended. */
export async function leave(ticket: string): Promise<End | null> {
  try {
    const response = await post({ ticket, leave: true });
    return response.ok ? null : answered(response.status, await response.json().catch(() => null));
  } catch {
    return noticed('transom-unreachable');
  }
}

/**
 * Returns whether Transom answers at all.
 *
 * A request that a dead network delays may still arrive later, after the page has given up on it. A
 * delayed exchange would consume the ticket, so a page that lost its connection sends a harmless
 * request first.
 */
export async function isReachable(): Promise<boolean> {
  try {
    await fetch(location.pathname, { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(SIGN_LIMIT_MS) });
    return true;
  } catch {
    return false;
  }
}

function post(question: object): Promise<Response> {
  return fetch('/console/exchange', {
    method: 'POST',
    credentials: 'same-origin',
    cache: 'no-store',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(question),
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
}

/** Parses the body of a 200 response. Returns `null` if a required member is missing. */
export function readAdmission(body: unknown): Admission | null {
  const { session, ticket, websocket, instance, request, ends_in_seconds: endsIn, rights } = record(body);
  const { project, id, name } = record(instance);
  if (typeof session !== 'string' || typeof ticket !== 'string' || typeof websocket !== 'string' || typeof id !== 'string') return null;
  return {
    session,
    ticket,
    websocket,
    instance: { project: typeof project === 'string' ? project : '', id, name: typeof name === 'string' && name !== '' ? name : id },
    request: typeof request === 'string' ? request : null,
    endsIn: typeof endsIn === 'number' ? endsIn : null,
    // A missing right counts as denied.
    rights: { viewOnly: record(rights)['view_only'] !== false, clipboard: record(rights)['clipboard'] === true },
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
