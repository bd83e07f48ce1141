import type RFB from '@novnc/novnc';

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
  /** The line has ended, for this reason; told once, while the last picture is still there. */
  ended(end: End): void;
}

/** A WebSocket opens within a round trip or two; one that takes longer meets something that swallows it. */
const OPENING_LIMIT_MS = 20_000;

/** RFC 6455 §7.4.1. */
const NORMAL_CLOSURE = 1000;

/**
 * One connection to the instance: a WebSocket with noVNC on top.
 *
 * The page makes the WebSocket itself, because noVNC keeps the close code and its words to itself.
 */
export class Line {
  readonly #socket: WebSocket;
  readonly #rfb: RFB;
  readonly #listener: Listener;
  readonly #pulse: Pulse;
  #opened = false;
  #ended = false;
  #disconnected = false;
  #unwatch = (): void => {};

  constructor(novnc: typeof RFB, screen: HTMLElement, admission: Admission, listener: Listener) {
    this.#listener = listener;
    const socket = new WebSocket(address(admission.websocket), ['binary', `transom.ticket.${admission.ticket}`]);
    this.#socket = socket;
    const opening = setTimeout(() => this.#end(noticed('websocket-blocked')), OPENING_LIMIT_MS);
    socket.addEventListener('open', () => {
      this.#opened = true;
      clearTimeout(opening);
    });
    // Registered before noVNC's own listener, which removes the picture.
    socket.addEventListener('close', (event) => {
      clearTimeout(opening);
      this.#end(closed(event, this.#opened));
    });
    this.#rfb = new novnc(screen, socket, { shared: true });
    this.#guardMessages();
    this.#pulse = new Pulse(socket, () => this.#end(noticed('connection-lost', 'The line had gone silent.')));
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
    this.#pulse.expect();
  }

  /** Puts a text on the machine's clipboard. */
  paste(text: string): void {
    this.#rfb.clipboardPasteFrom(text);
  }

  /** Presses and releases one key. */
  press(stroke: Stroke): void {
    if (stroke.shift) this.hold(KEYSYM.Shift, true);
    this.#rfb.sendKey(stroke.keysym, null);
    if (stroke.shift) this.hold(KEYSYM.Shift, false);
    this.#pulse.expect();
  }

  /** Presses or releases a modifier. */
  hold(keysym: number, down: boolean): void {
    this.#rfb.sendKey(keysym, null, down);
  }

  /** The person waits for a sign of life. */
  expectLife(): void {
    if (this.#opened && !this.#ended) this.#pulse.expect();
  }

  /** Ends the line because the person left. */
  close(): void {
    this.#end(noticed('left'));
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
    for (const input of ['keydown', 'mousedown', 'touchstart']) {
      canvas?.addEventListener(input, () => this.expectLife(), { passive: true });
    }
    rfb.addEventListener('connect', () => {
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

  /** A decoder that throws leaves noVNC in the middle of a message; whatever it drew next would be noise. */
  #guardMessages(): void {
    const deliver = this.#socket.onmessage;
    this.#socket.onmessage = (event) => {
      try {
        deliver?.call(this.#socket, event);
      } catch (error) {
        this.#end(noticed('picture-unreadable', String(error)));
      }
    };
  }

  #end(end: End): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pulse.stop();
    this.#unwatch();
    this.#listener.ended(end);
    this.#socket.close(NORMAL_CLOSURE);
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
