/**
 * Finds out that a line is dead although nobody said so: Wi-Fi that went out of reach, a NAT that forgot.
 *
 * TCP may take a quarter of an hour to notice. Transom says something every ten seconds, and frames on a slow line are short,
 * so a line on which nothing comes for this long is dead, and one on which anything comes is not.
 */
export const PATIENCE_MS = 25_000;

/** A line is looked at this often. */
export const LOOK_MS = 1_000;

/** A look that comes so late was held back, by a sleeping computer or a hidden tab, and so was what has come meanwhile. */
const LATE_MS = 6_000;

/** How a line is watched; tests bring their own time. */
export interface Clock {
  now(): number;
  /** Calls `look` again and again; returns what stops that. */
  every(milliseconds: number, look: () => void): () => void;
}

const BROWSER: Clock = {
  now: () => performance.now(),
  every: (milliseconds, look) => {
    const timer = setInterval(look, milliseconds);
    return () => clearInterval(timer);
  },
};

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

  /** Listens from now on. */
  start(): void {
    this.heard();
    this.#looked = this.#heard;
    this.#stop = this.#clock.every(LOOK_MS, () => this.look());
  }

  /** Something has come, whatever it is. */
  heard(): void {
    this.#heard = this.#clock.now();
    this.#doubted = false;
  }

  /** Looks now. */
  look(): void {
    const now = this.#clock.now();
    const late = now - this.#looked > LATE_MS;
    this.#looked = now;
    if (now - this.#heard < PATIENCE_MS) return;
    // What came while the page slept is delivered before the next look.
    if (late && !this.#doubted) this.#doubted = true;
    else this.#dead();
  }

  stop(): void {
    this.#stop();
  }
}
