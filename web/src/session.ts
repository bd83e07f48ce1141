import { pauseBefore } from './backoff.ts';
import { exchange, isReachable, leave, type Admission, type Answer, type Credential } from './exchange.ts';
import type { Line, Listener } from './line.ts';
import * as machine from './machine.ts';
import { noticed, type End } from './reason.ts';
import * as ticket from './ticket.ts';

/** The part of the page that shows a session. */
export interface View {
  checking(): void;
  /** An attempt to reconnect is running. The last picture stays visible. */
  trying(attempt: number): void;
  admitted(admission: Admission): void;
  /** Opens a connection. `again` is false for the first one. */
  line(admission: Admission, again: boolean, listener: Pick<Listener, 'connected' | 'pictured' | 'ended'>): Promise<Line>;
  live(line: Line): void;
  /** Waits before the next attempt. Resolves to false if the user stops reconnecting. */
  wait(attempt: number, milliseconds: number, cause: End): Promise<boolean>;
  /** The session is being ended at the user's request. */
  leaving(): void;
  /**
   * The session has ended or waits for the user. `open` is true if there is a session that can be
   * ended.
   */
  ended(end: End, session: string | null, open: boolean): void;
}

/** The outcome of one connection. */
interface Visit {
  readonly end: End;
  /** The time during which a picture was visible, in milliseconds. */
  readonly pictured: number;
}

/** The duration after which a connection counts as successful, which resets the attempt counter. */
const STEADY_MS = 10_000;

/** One use of a console, from opening the link to the end, across lost connections. */
export class Session {
  readonly #view: View;
  /**
   * The link's token, until the machine has answered. A failed attempt does not use the link up, so
   * the token still works.
   */
  #token: string | null = null;
  #id: string | null = null;
  /** The short request id of the newest WebSocket. */
  #request: string | null = null;
  #line: Line | null = null;
  #run = 0;

  constructor(view: View) {
    this.#view = view;
  }

  /** Opens a link by its token, or resumes this tab's session with its ticket. */
  open(token: string | null): void {
    if (token !== null) {
      ticket.forget();
      machine.forget();
    }
    this.#token = token;
    if (token === null && ticket.isLeft()) this.#over(noticed('left'));
    else void this.#follow();
  }

  /** Tries again with the ticket, or with the link's token if that has not been used up. */
  again(): void {
    void this.#follow();
  }

  /** Disconnects. The session waits a few minutes for the user to return. */
  leave(): void {
    this.#line?.close();
  }

  /** Ends the session that the user has disconnected from. */
  async end(): Promise<void> {
    const newest = ticket.newest();
    if (newest === null) return;
    const run = (this.#run += 1);
    this.#view.leaving();
    const refused = await leave(newest);
    if (run !== this.#run) return;
    // A ticket that is refused permanently no longer has a session.
    const over = refused === null || refused.retry === 'never' || refused.retry === 'new-link';
    if (over) this.#token = null;
    this.#over(noticed(over ? 'over' : 'not-ended'));
  }

  /** Checks whether the line is still alive. */
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
    // The token is the second choice once the ticket's session is over, not when Transom did not
    // answer.
    if ('end' in answer && second !== undefined && isFinal(answer.end)) answer = await this.#exchange(second, run);
    if ('end' in answer) return lost(answer.end);
    if (run !== this.#run) return lost(noticed('left'));
    this.#id = answer.admission.session;
    this.#request = answer.admission.request;
    this.#view.admitted(answer.admission);
    return this.#connect(answer.admission, attempt, run);
  }

  /**
   * Exchanges a credential and stores the new ticket, even if this run has been replaced: the old
   * ticket is used up.
   */
  async #exchange(credential: Credential, run: number): Promise<Answer> {
    const before = ticket.newest();
    const answer = await exchange(credential);
    // The ticket of another link that was opened meanwhile must not be overwritten.
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

  /**
   * Returns the credentials to try, ticket first: while its session waits, that session holds the
   * link's use.
   */
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

/** Returns whether the session is over after this end. */
function isFinal(end: End): boolean {
  return end.retry === 'never' || end.retry === 'new-link';
}

function lost(end: End): Visit {
  return { end, pictured: 0 };
}

/**
 * Returns whether to reconnect automatically. While reconnecting, this includes causes that may
 * pass later.
 */
function comesBack({ end, pictured }: Visit, attempt: number): boolean {
  if (ticket.newest() === null) return false;
  // If no picture could be displayed in two attempts, a third one will not help.
  if (end.code === 'picture-unreadable' && pictured === 0 && attempt > 2) return false;
  return end.retry === 'resume' || (end.retry === 'later' && pictured === 0 && attempt > 1);
}
