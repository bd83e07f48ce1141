import { answered, noticed, type End } from './reason.ts';

/** What a token or a ticket is exchanged for: one session, for a while. */
export interface Admission {
  readonly session: string;
  readonly ticket: string;
  readonly websocket: string;
  /** The machine: its id is its own within its project only. */
  readonly instance: { readonly project: string; readonly id: string; readonly name: string };
  /** The short form of the WebSocket's request id: its close does not bring it. */
  readonly request: string | null;
  /** Seconds until the link ends, and the session with it; `null` where it does not. */
  readonly endsIn: number | null;
  readonly rights: { readonly viewOnly: boolean; readonly clipboard: boolean };
}

/** A link's token at first, the newest ticket from then on. */
export type Credential = { readonly token: string } | { readonly ticket: string };

/** How an exchange went. */
export type Answer = { readonly admission: Admission } | { readonly end: End };

/** Transom answers from its database, without dialling anything: what takes longer is lost. */
const ANSWER_LIMIT_MS = 15_000;

/** A sign of life is a few bytes; a connection that a dead network left behind must not be waited for any longer. */
const SIGN_LIMIT_MS = 5_000;

/** Shows the credential to Transom. */
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

/** Ends the ticket's session, when there is no line to say so on; `null` when it is over. */
export async function leave(ticket: string): Promise<End | null> {
  try {
    const response = await post({ ticket, leave: true });
    return response.ok ? null : answered(response.status, await response.json().catch(() => null));
  } catch {
    return noticed('transom-unreachable');
  }
}

/**
 * Whether Transom answers at all.
 *
 * A request that a dead network holds back may still arrive when it is back, after the page has given it up. For an exchange
 * that would use the ticket up, so a page that lost its line asks something harmless first.
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

/** Reads the body of a 200; `null` where a part is missing. */
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
    // A right that is not given is not there.
    rights: { viewOnly: record(rights)['view_only'] !== false, clipboard: record(rights)['clipboard'] === true },
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
