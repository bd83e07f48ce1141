import type RFB from '@novnc/novnc';

import { BEAT, read, SUBPROTOCOL, type Delivery, type Wait } from './channel.ts';
import { resizing, sizeOf, type Size } from './desktop.ts';
import type { Admission } from './exchange.ts';
import { onFirstPicture } from './first-picture.ts';
import { KEYSYM, type Stroke } from './keystrokes.ts';
import { Pulse } from './pulse.ts';
import { closed, noticed, type End } from './reason.ts';
import type { Scaling } from './scaling.ts';

/** The events that a line reports to the page. */
export interface Listener {
  /** The RFB handshake is done. */
  connected(): void;
  /** The first picture is on the screen. */
  pictured(): void;
  /** The machine copied a text. */
  copied(text: string): void;
  /** The picture is larger than the window and can be moved. */
  clipped(on: boolean): void;
  /** The size of the machine's screen before this line changes it. */
  sized(size: Size): void;
  /** The screen is delayed for this cause. */
  waiting(cause: Wait): void;
  /** The session ends after this many seconds. */
  ending(seconds: number): void;
  /** The delivery state of the last text that was sent to the machine's clipboard. */
  delivered(state: Delivery): void;
  /** The line has ended for this reason. Reported once, while the last picture is still visible. */
  ended(end: End): void;
}

/**
 * The time limit for opening the WebSocket. Opening takes a round trip or two; beyond this limit,
 * the network drops it.
 */
const OPENING_LIMIT_MS = 20_000;

/**
 * The interval at which a page that receives data sends a beat unasked: Transom's own beats may
 * wait behind a picture.
 */
const BEAT_MS = 5_000;

/**
 * One connection to the instance: a WebSocket with noVNC on top.
 *
 * The page creates the WebSocket itself, because noVNC does not expose the close code and its text.
 */
export class Line {
  readonly #socket: WebSocket;
  readonly #rfb: RFB;
  readonly #listener: Listener;
  readonly #pulse = new Pulse(() => this.#end(noticed('connection-lost', 'The connection had gone silent.')));
  #opened = false;
  #ended = false;
  #disconnected = false;
  /** The time of the last beat that the page sent. */
  #beaten = 0;
  #unwatch = (): void => {};

  constructor(novnc: typeof RFB, screen: HTMLElement, admission: Admission, listener: Listener) {
    this.#listener = listener;
    const socket = new WebSocket(address(admission.websocket), [SUBPROTOCOL, 'binary', `transom.ticket.${admission.ticket}`]);
    this.#socket = socket;
    const opening = setTimeout(() => this.#end(noticed('websocket-blocked')), OPENING_LIMIT_MS);
    socket.addEventListener('open', () => {
      this.#opened = true;
      clearTimeout(opening);
      // Without the channel Transom sends no beats, so silence does not mean that the line is dead.
      if (this.#hasChannel) this.#pulse.start();
    });
    // Registered before noVNC's own listener, which removes the picture.
    socket.addEventListener('close', (event) => {
      clearTimeout(opening);
      this.#end(closed(event, this.#opened));
    });
    this.#rfb = new novnc(screen, socket, { shared: true });
    this.#guardMessages();
    this.#configure(admission);
    this.#listen(screen);
  }

  /**
   * Scales the picture to the window, shows it at its own size, or asks the machine to follow the
   * window.
   */
  scale(scaling: Scaling, touch: boolean): void {
    // If the machine cannot follow the window, its picture is scaled to fit.
    this.#rfb.scaleViewport = scaling !== 'native';
    this.#rfb.resizeSession = scaling === 'remote';
    // On touch screens every touch goes to the machine, so scroll bars do not work: dragging moves
    // the picture instead.
    this.#rfb.clipViewport = scaling === 'native' && touch;
  }

  /** Sets whether a drag moves the picture instead of the machine's pointer. */
  pan(on: boolean): void {
    this.#rfb.dragViewport = on;
  }

  /** Moves the keyboard focus to the machine. */
  focus(): void {
    this.#rfb.focus({ preventScroll: true });
  }

  /**
   * Sets whether a click on the picture takes the keyboard focus. It must not while the on-screen
   * keyboard is in use.
   */
  focusOnClick(on: boolean): void {
    this.#rfb.focusOnClick = on;
  }

  ctrlAltDel(): void {
    this.#rfb.sendCtrlAltDel();
  }

  /** Sends a text to the machine's clipboard. Returns whether Transom will report its delivery. */
  paste(text: string): boolean {
    this.#rfb.clipboardPasteFrom(text);
    return this.#hasChannel;
  }

  /** Gives the machine's screen this size if it has another size and can be resized. */
  resize(size: Size): void {
    const message = resizing(this.#rfb, size);
    // noVNC writes each message within one task, so this message never lands inside another one.
    if (message !== null && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message);
  }

  /** Presses and releases one key. */
  press(stroke: Stroke): void {
    if (stroke.shift) this.hold(KEYSYM.Shift, true);
    this.#rfb.sendKey(stroke.keysym, null);
    if (stroke.shift) this.hold(KEYSYM.Shift, false);
  }

  /** Presses or releases a modifier. */
  hold(keysym: number, down: boolean): void {
    this.#rfb.sendKey(keysym, null, down);
  }

  /**
   * Checks whether the line is still alive. Called when the page becomes visible or the network
   * comes back.
   */
  check(): void {
    if (this.#opened && !this.#ended && this.#hasChannel) this.#pulse.look();
  }

  /** Closes the line. The session waits for the page to come back. */
  close(): void {
    this.#end(noticed('left'));
  }

  get #hasChannel(): boolean {
    return this.#socket.protocol === SUBPROTOCOL;
  }

  #configure(admission: Admission): void {
    // noVNC grabs the keyboard if this is set to false before it is connected, so the page only
    // ever sets it to true.
    if (admission.rights.viewOnly) this.#rfb.viewOnly = true;
    this.#rfb.background = 'transparent';
    this.#rfb.qualityLevel = 6;
    this.#rfb.compressionLevel = 2;
  }

  #listen(screen: HTMLElement): void {
    const rfb = this.#rfb;
    const canvas = screen.querySelector('canvas');
    canvas?.setAttribute('role', 'application');
    canvas?.setAttribute('aria-describedby', 'screen-help');
    canvas?.setAttribute('tabindex', '0');
    rfb.addEventListener('connect', () => {
      const size = sizeOf(rfb);
      if (size !== null) this.#listener.sized(size);
      this.#listener.connected();
      if (canvas !== null) this.#unwatch = onFirstPicture(canvas, () => this.#listener.pictured());
    });
    rfb.addEventListener('clipboard', (event) => this.#listener.copied(event.detail.text));
    rfb.addEventListener('clippingviewport', (event) => this.#listener.clipped(event.detail));
    // The gateway has authenticated already and offers security type None. The page never answers
    // any other type.
    rfb.addEventListener('credentialsrequired', () => this.#end(noticed('picture-unreadable', 'The machine asked for a password.')));
    rfb.addEventListener('securityfailure', (event) => this.#end(noticed('picture-unreadable', event.detail.reason ?? null)));
    rfb.addEventListener('disconnect', () => {
      this.#disconnected = true;
      // A close event has been reported by now. Without one, noVNC has given up on the data that it
      // received.
      this.#end(noticed('picture-unreadable'));
    });
  }

  /**
   * Hides the channel's messages from noVNC, and ends the line when a decoder throws. noVNC would
   * then be in the middle of a message and would draw noise.
   */
  #guardMessages(): void {
    const deliver = this.#socket.onmessage;
    this.#socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      this.#pulse.heard();
      if (typeof event.data === 'string') {
        this.#hear(event.data);
        return;
      }
      if (performance.now() - this.#beaten >= BEAT_MS) this.#beat();
      try {
        deliver?.call(this.#socket, event);
      } catch (error) {
        this.#end(noticed('picture-unreadable', String(error)));
      }
    };
  }

  #hear(text: string): void {
    const message = read(text);
    switch (message?.type) {
      case 'beat':
        return this.#beat();
      case 'waiting':
        return this.#listener.waiting(message.for);
      case 'ending':
        return this.#listener.ending(message.seconds);
      case 'clipboard':
        return this.#listener.delivered(message.state);
    }
  }

  #beat(): void {
    if (!this.#hasChannel || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#beaten = performance.now();
    this.#socket.send(BEAT);
  }

  #end(end: End): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pulse.stop();
    this.#unwatch();
    this.#listener.ended(end);
    this.#socket.close();
    if (!this.#disconnected) this.#rfb.disconnect();
  }
}

/** Returns the WebSocket's address, always at this page's own origin. */
function address(path: string): string {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.host = location.host;
  return url.href;
}
