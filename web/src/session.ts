import { pauseBefore } from './backoff.ts';
import { exchange, isReachable, leave, type Admission, type Answer, type Credential } from './exchange.ts';
import type { Line, Listener } from './line.ts';
import * as machine from './machine.ts';
import { noticed, type End } from './reason.ts';
import * as ticket from './ticket.ts';

/** What the page shows of a session. */
export interface View {
  checking(): void;
  /** A try to come back is under way, over the last picture. */
  trying(attempt: number): void;
  admitted(admission: Admission): void;
  /** Makes the connection; `again` is false for the first one. */
  line(admission: Admission, again: boolean, listener: Pick<Listener, 'connected' | 'pictured' | 'ended'>): Promise<Line>;
  live(line: Line): void;
  /** Waits before the next try; false when the person does not want one. */
  wait(attempt: number, milliseconds: number, cause: End): Promise<boolean>;
  /** The session is being ended at the person's wish. */
  leaving(): void;
  /** It is over, or waits for the person; `open` tells whether there is a session that could be ended. */
  ended(end: End, session: string | null, open: boolean): void;
}

/** How one connection went. */
interface Visit {
  readonly end: End;
  /** For how long there was a picture, in milliseconds. */
  readonly pictured: number;
}

/** A connection that lasted this long has worked: counting the tries starts over. */
const STEADY_MS = 10_000;

/** One viewing, from the link to its end, across lost connections. */
export class Session {
  readonly #view: View;
  /** The link's token, until the instance has answered: a failed attempt gives the use back, so it can be shown again. */
  #token: string | null = null;
  #id: string | null = null;
  /** The short request id of the newest WebSocket. */
  #request: string | null = null;
  #line: Line | null = null;
  #run = 0;

  constructor(view: View) {
    this.#view = view;
  }

  /** Opens a link's token, or comes back with this tab's ticket. */
  open(token: string | null): void {
    if (token !== null) {
      ticket.forget();
      machine.forget();
    }
    this.#token = token;
    if (token === null && ticket.isLeft()) this.#over(noticed('left'));
    else void this.#follow();
  }

  /** Tries what has a chance: the ticket, else the link while it is fresh. */
  again(): void {
    void this.#follow();
  }

  /** The person leaves; the session waits for them a while. */
  leave(): void {
    this.#line?.close();
  }

  /** The person ends the session that they have left. */
  async end(): Promise<void> {
    const newest = ticket.newest();
    if (newest === null) return;
    const run = (this.#run += 1);
    this.#view.leaving();
    const refused = await leave(newest);
    if (run !== this.#run) return;
    // A ticket that is refused for good has no session any more.
    const over = refused === null || refused.retry === 'never' || refused.retry === 'new-link';
    if (over) this.#token = null;
    this.#over(noticed(over ? 'over' : 'not-ended'));
  }

  /** Looks whether the line is still alive. */
  check(): void {
    this.#line?.check();
  }

  async #follow(): Promise<void> {
    const run = (this.#run += 1);
    this.#line?.close();
    let attempt = 0;
    for (;;) {
      const visit = await this.#visit(attempt, run);
      if (run !== this.#run) return;
      attempt = visit.pictured >= STEADY_MS ? 1 : attempt + 1;
      const pause = comesBack(visit, attempt) ? pauseBefore(attempt) : null;
      if (pause === null || !(await this.#view.wait(attempt, pause, visit.end))) {
        if (run === this.#run) this.#over(visit.end);
        return;
      }
      if (run !== this.#run) return;
    }
  }

  async #visit(attempt: number, run: number): Promise<Visit> {
    if (attempt === 0) this.#view.checking();
    else this.#view.trying(attempt);
    const [first, second] = this.#credentials();
    if (first === undefined) return lost(noticed('needs-link', `${location.origin}/console#token=…`));
    if (attempt > 0 && !(await isReachable())) return lost(noticed('transom-unreachable'));
    if (run !== this.#run) return lost(noticed('left'));
    let answer = await this.#exchange(first, run);
    // The link is shown where its session is over, not where nobody answered.
    if ('end' in answer && second !== undefined && isFinal(answer.end)) answer = await this.#exchange(second, run);
    if ('end' in answer) return lost(answer.end);
    if (run !== this.#run) return lost(noticed('left'));
    this.#id = answer.admission.session;
    this.#request = answer.admission.request;
    this.#view.admitted(answer.admission);
    return this.#connect(answer.admission, attempt, run);
  }

  /** The ticket that was shown is exchanged now: what came for it is kept, whoever still waits for it. */
  async #exchange(credential: Credential, run: number): Promise<Answer> {
    const before = ticket.newest();
    const answer = await exchange(credential);
    // Another link that was opened meanwhile is not to be forgotten.
    if ('admission' in answer && (run === this.#run || ticket.newest() === before)) ticket.keep(answer.admission.ticket);
    return answer;
  }

  async #connect(admission: Admission, attempt: number, run: number): Promise<Visit> {
    let since: number | null = null;
    const ended = new Promise<End>((resolve) => {
      const made = this.#view.line(admission, attempt > 0, {
        connected: () => (this.#token = null),
        pictured: () => {
          since = performance.now();
          if (this.#line !== null) this.#view.live(this.#line);
        },
        ended: resolve,
      });
      made.then(
        (line) => {
          this.#line = line;
          if (run !== this.#run) line.close();
        },
        () => resolve(noticed('page-incomplete')),
      );
    });
    const end = await ended;
    if (run === this.#run) this.#line = null;
    return { end, pictured: since === null ? 0 : performance.now() - since };
  }

  /** The ticket first: while its session waits, it holds the link's use. Where that is over, the use has been given back. */
  #credentials(): Credential[] {
    const newest = ticket.newest();
    const shown: Credential[] = newest === null ? [] : [{ ticket: newest }];
    return this.#token === null ? shown : [...shown, { token: this.#token }];
  }

  #over(end: End): void {
    if (end.retry === 'resume' && ticket.newest() !== null) this.#token = null;
    if (end.code === 'left') ticket.leave();
    if (isFinal(end)) ticket.forget();
    const open = ticket.newest() !== null && this.#token === null;
    this.#view.ended({ ...end, requestId: end.requestId ?? this.#request }, this.#id, open);
  }
}

/** Whether nothing comes back from this end. */
function isFinal(end: End): boolean {
  return end.retry === 'never' || end.retry === 'new-link';
}

function lost(end: End): Visit {
  return { end, pictured: 0 };
}

/** Whether to come back without being asked. Once on the way back, what may pass later is waited for as well. */
function comesBack({ end, pictured }: Visit, attempt: number): boolean {
  if (ticket.newest() === null) return false;
  // What cannot be drawn at all is not drawn the third time either.
  if (end.code === 'picture-unreadable' && pictured === 0 && attempt > 2) return false;
  return end.retry === 'resume' || (end.retry === 'later' && pictured === 0 && attempt > 1);
}
