/**
 * The silence after which a line counts as dead, for example because Wi-Fi went out of range or a
 * NAT lost its entry.
 *
 * TCP may take a quarter of an hour to notice. Transom sends a message every ten seconds, and
 * frames on a slow line are short, so a line that receives nothing for this long is dead.
 */
export const PATIENCE_MS = 25_000;

/** The interval between two checks of a line. */
export const LOOK_MS = 1_000;

/**
 * The delay after which a check counts as late: the computer slept or the tab was hidden, which
 * also held back received data.
 */
const LATE_MS = 6_000;

/** The clock that a pulse uses. Tests provide their own. */
export interface Clock {
  now(): number;
  /** Calls `look` at this interval. Returns a function that stops it. */
  every(milliseconds: number, look: () => void): () => void;
}

const BROWSER: Clock = {
  now: () => performance.now(),
  every: (milliseconds, look) => {
    const timer = setInterval(look, milliseconds);
    return () => clearInterval(timer);
  },
};

/** Detects a dead line. */
export class Pulse {
  readonly #clock: Clock;
  readonly #dead: () => void;
  #stop = (): void => {};
  #heard = 0;
  #looked = 0;
  #doubted = false;

  constructor(dead: () => void, clock: Clock = BROWSER) {
    this.#dead = dead;
    this.#clock = clock;
  }

  /** Starts watching. */
  start(): void {
    this.heard();
    this.#looked = this.#heard;
    this.#stop = this.#clock.every(LOOK_MS, () => this.look());
  }

  /** Records that data arrived. */
  heard(): void {
    this.#heard = this.#clock.now();
    this.#doubted = false;
  }

  /** Checks the line now. */
  look(): void {
    const now = this.#clock.now();
    const late = now - this.#looked > LATE_MS;
    this.#looked = now;
    if (now - this.#heard < PATIENCE_MS) return;
    // The browser delivers data that arrived during sleep before the next check.
    if (late && !this.#doubted) this.#doubted = true;
    else this.#dead();
  }

  stop(): void {
    this.#stop();
  }
}
