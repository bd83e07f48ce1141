/**
 * Finds out that a line is dead although nobody said so: Wi-Fi that went out of reach, a NAT that forgot.
 *
 * TCP may take a quarter of an hour to notice. So when something should have been heard and was not, the page asks for one
 * pixel, which every VNC server answers, and believes silence. It asks only when a person waits (typed, came back to the
 * page), so that a page which is merely open stays idle.
 */
const PATIENCE_MS = 4_000;

/** An answer of twenty bytes crosses any usable network in this time. */
const ANSWER_LIMIT_MS = 10_000;

/** FramebufferUpdateRequest, not incremental, 1 × 1 at 0, 0 (RFC 6143 §7.5.3). */
const ONE_PIXEL = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 1, 0, 1);

export class Pulse {
  readonly #socket: WebSocket;
  readonly #dead: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket, dead: () => void) {
    this.#socket = socket;
    this.#dead = dead;
    socket.addEventListener('message', () => this.stop());
  }

  /** Something should be heard soon. */
  expect(): void {
    this.#timer ??= setTimeout(() => this.#ask(), PATIENCE_MS);
  }

  /** Nothing is expected any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #ask(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    // noVNC writes whole messages within one task, so this one never lands inside another.
    this.#socket.send(ONE_PIXEL);
    this.#timer = setTimeout(() => this.#dead(), ANSWER_LIMIT_MS);
  }
}
