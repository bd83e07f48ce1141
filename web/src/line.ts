import type RFB from '@novnc/novnc';

import { BEAT, read, SUBPROTOCOL, type Delivery, type Wait } from './channel.ts';
import { resizing, sizeOf, type Size } from './desktop.ts';
import type { Admission } from './exchange.ts';
import { onFirstPicture } from './first-picture.ts';
import { KEYSYM, type Stroke } from './keystrokes.ts';
import { Pulse } from './pulse.ts';
import { closed, noticed, type End } from './reason.ts';
import type { Scaling } from './scaling.ts';

/** What a line tells the page. */
export interface Listener {
  /** The RFB handshake is done. */
  connected(): void;
  /** The first picture is on the screen. */
  pictured(): void;
  /** The machine copied a text. */
  copied(text: string): void;
  /** The picture is larger than the window and can be moved. */
  clipped(on: boolean): void;
  /** The machine's screen has this size, before this line changes anything. */
  sized(size: Size): void;
  /** The screen takes longer to come, for this cause. */
  waiting(cause: Wait): void;
  /** The session ends after so many seconds. */
  ending(seconds: number): void;
  /** What became of the text that was put on the machine's clipboard last. */
  delivered(state: Delivery): void;
  /** The line has ended, for this reason; told once, while the last picture is still there. */
  ended(end: End): void;
}

/** A WebSocket opens within a round trip or two; one that takes longer meets something that swallows it. */
const OPENING_LIMIT_MS = 20_000;

/** A page that receives and has nothing to say still says so this often: Transom's own beats may wait behind a picture. */
const BEAT_MS = 5_000;

/**
 * One connection to the instance: a WebSocket with noVNC on top.
 *
 * The page makes the WebSocket itself, because noVNC keeps the close code and its words to itself.
 */
export class Line {
  readonly #socket: WebSocket;
  readonly #rfb: RFB;
  readonly #listener: Listener;
  readonly #pulse = new Pulse(() => this.#end(noticed('connection-lost', 'The line had gone silent.')));
  #opened = false;
  #ended = false;
  #disconnected = false;
  /** When the page last said that it is there. */
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
      // Without the channel nothing has to come, so silence tells nothing.
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

  /** Scales the picture to the window, or not, or asks the machine to follow the window. */
  scale(scaling: Scaling, touch: boolean): void {
    // A machine that cannot follow is scaled to fit.
    this.#rfb.scaleViewport = scaling !== 'native';
    this.#rfb.resizeSession = scaling === 'remote';
    // Fingers cannot use scroll bars, since every touch goes to the machine: they move the picture instead.
    this.#rfb.clipViewport = scaling === 'native' && touch;
  }

  /** Whether a drag moves the picture instead of the machine's pointer. */
  pan(on: boolean): void {
    this.#rfb.dragViewport = on;
  }

  /** Gives the keyboard to the machine. */
  focus(): void {
    this.#rfb.focus({ preventScroll: true });
  }

  /** Whether a click on the picture takes the keyboard: not while an on-screen keyboard writes. */
  focusOnClick(on: boolean): void {
    this.#rfb.focusOnClick = on;
  }

  ctrlAltDel(): void {
    this.#rfb.sendCtrlAltDel();
  }

  /** Puts a text on the machine's clipboard; whether it will be told what becomes of it. */
  paste(text: string): boolean {
    this.#rfb.clipboardPasteFrom(text);
    return this.#hasChannel;
  }

  /** Gives the machine's screen this size, where it has another one and can be resized. */
  resize(size: Size): void {
    const message = resizing(this.#rfb, size);
    // noVNC writes whole messages within one task, so this one never lands inside another.
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

  /** Looks whether the line is still alive: the page was shown, or the network came back. */
  check(): void {
    if (this.#opened && !this.#ended && this.#hasChannel) this.#pulse.look();
  }

  /** Gives the line up; the session waits for the page to come back. */
  close(): void {
    this.#end(noticed('left'));
  }

  get #hasChannel(): boolean {
    return this.#socket.protocol === SUBPROTOCOL;
  }

  #configure(admission: Admission): void {
    // noVNC takes the keyboard when this is set to false before it is connected, so it is only ever set to true.
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
    // The gateway has authenticated already and offers None; anything else is not ours to answer.
    rfb.addEventListener('credentialsrequired', () => this.#end(noticed('picture-unreadable', 'A password was asked for.')));
    rfb.addEventListener('securityfailure', (event) => this.#end(noticed('picture-unreadable', event.detail.reason ?? null)));
    rfb.addEventListener('disconnect', () => {
      this.#disconnected = true;
      // A close has been told by now; without one, noVNC has given up on what it was sent.
      this.#end(noticed('picture-unreadable'));
    });
  }

  /**
   * Keeps the channel's messages from noVNC. A decoder that throws leaves noVNC in the middle of a message; whatever it drew
   * next would be noise.
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

/** The WebSocket's address: this page's own origin, whatever the answer says. */
function address(path: string): string {
  const url = new URL(path, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.host = location.host;
  return url.href;
}
