import { answered, noticed, type End } from './reason.ts';

/** What a token or a ticket is exchanged for: one session, for a while. */
export interface Admission {
  readonly session: string;
  readonly ticket: string;
  readonly websocket: string;
  readonly instance: { readonly id: string; readonly name: string };
  /** The short form of the WebSocket's request id: its close does not bring it. */
  readonly request: string | null;
  readonly rights: { readonly viewOnly: boolean; readonly clipboard: boolean };
}

/** A link's token at first, the newest ticket from then on. */
export type Credential = { readonly token: string } | { readonly ticket: string };

/** How an exchange went. */
export type Answer = { readonly admission: Admission } | { readonly end: End };

/** Transom answers from its database, without dialling anything: what takes longer is lost. */
const ANSWER_LIMIT_MS = 15_000;

/** Shows the credential to Transom. */
export async function exchange(credential: Credential): Promise<Answer> {
  let status: number;
  let body: unknown;
  try {
    const response = await fetch('/console/exchange', {
      method: 'POST',
      credentials: 'same-origin',
      cache: 'no-store',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(credential),
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
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

/** Reads the body of a 200; `null` where a part is missing. */
export function readAdmission(body: unknown): Admission | null {
  const { session, ticket, websocket, instance, request, rights } = record(body);
  const { id, name } = record(instance);
  if (typeof session !== 'string' || typeof ticket !== 'string' || typeof websocket !== 'string' || typeof id !== 'string') return null;
  return {
    session,
    ticket,
    websocket,
    instance: { id, name: typeof name === 'string' && name !== '' ? name : id },
    request: typeof request === 'string' ? request : null,
    // A right that is not given is not there.
    rights: { viewOnly: record(rights)['view_only'] !== false, clipboard: record(rights)['clipboard'] === true },
  };
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
