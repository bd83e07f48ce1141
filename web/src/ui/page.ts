import type RFB from '@novnc/novnc';

import type { Size } from '../desktop.ts';
import type { Admission } from '../exchange.ts';
import { Line, type Listener } from '../line.ts';
import * as machine from '../machine.ts';
import type { End } from '../reason.ts';
import { prefer, preferred, type Scaling } from '../scaling.ts';
import type { View } from '../session.ts';
import { ClipboardPanel } from './clipboard.ts';
import { guardAgainstClosing } from './closing.ts';
import { Countdown } from './countdown.ts';
import { Ending } from './ending.ts';
import { FullScreen } from './full-screen.ts';
import { OnScreenKeyboard } from './keyboard.ts';
import { Progress } from './progress.ts';
import { Reconnecting } from './reconnecting.ts';
import { Screen } from './screen.ts';
import { enter } from './stage.ts';
import { Toolbar } from './toolbar.ts';

/** The requests of the page to the session. */
export interface Asks {
  again(): void;
  leave(): void;
  end(): void;
}

const TITLE = 'Transom console';

function titled(name: string | null, sentence: string | null): string {
  return [name, sentence, TITLE].filter((part) => part !== null).join(' – ');
}

/** The page, which connects its parts. */
export class Page implements View {
  readonly #screen = new Screen();
  readonly #progress = new Progress();
  readonly #reconnecting = new Reconnecting();
  readonly #ending: Ending;
  readonly #toolbar: Toolbar;
  readonly #clipboard: ClipboardPanel;
  readonly #keyboard: OnScreenKeyboard;
  readonly #countdown = new Countdown();
  readonly #touch = matchMedia('(pointer: coarse)');
  // Loaded while the link is checked. A failed load is tried again.
  #novnc = import('@novnc/novnc');
  #scaling: Scaling = 'fit';
  #machine: string | null = null;
  /**
   * The size of the machine's screen before this page resized it. `#resized` is true until that
   * size is restored.
   */
  #before: Size | null = null;
  #resized = false;
  #line: Line | null = null;

  constructor(asks: Asks) {
    const focus = (): void => this.#line?.focus();
    this.#novnc.catch(() => {});
    this.#ending = new Ending(asks.again, asks.end);
    this.#clipboard = new ClipboardPanel((text) => this.#line?.paste(text) ?? false, focus);
    this.#keyboard = new OnScreenKeyboard(
      { press: (stroke) => this.#line?.press(stroke), hold: (keysym, down) => this.#line?.hold(keysym, down) },
      (on) => this.#keyboardOpened(on),
    );
    this.#toolbar = new Toolbar({
      scale: (scaling) => this.#scale(scaling),
      pan: (on) => this.#line?.pan(on),
      ctrlAltDel: () => this.#line?.ctrlAltDel(),
      leave: () => {
        this.leaveMachineAsItWas();
        asks.leave();
      },
      done: focus,
    });
    new FullScreen(focus);
    guardAgainstClosing(() => this.#line !== null);
  }

  checking(): void {
    document.title = titled(machine.name(), null);
    this.#screen.thaw();
    this.#progress.checking();
  }

  trying(attempt: number): void {
    this.#reconnecting.trying(attempt);
  }

  admitted(admission: Admission): void {
    machine.keep(admission.instance.name);
    document.title = titled(admission.instance.name, null);
    this.#meet(`${admission.instance.project}/${admission.instance.id}`);
    this.#toolbar.admit(admission);
    if (admission.endsIn !== null) this.#countdown.start(admission.endsIn);
    this.#clipboard.offer(admission.rights.viewOnly ? null : admission.rights.clipboard ? 'both ways' : 'not in this link');
  }

  async line(admission: Admission, again: boolean, listener: Pick<Listener, 'connected' | 'pictured' | 'ended'>): Promise<Line> {
    const { name } = admission.instance;
    if (!again) this.#progress.connecting(name);
    const line = new Line(await this.#loaded(), this.#screen.target, admission, {
      connected: () => {
        if (!again) this.#progress.starting();
        listener.connected();
      },
      pictured: listener.pictured,
      copied: (text) => this.#clipboard.receive(text),
      clipped: (on) => this.#toolbar.clipped(on),
      sized: (size) => {
        // After a reconnect the screen may still have the size that an earlier line requested.
        if (!this.#resized) this.#before = size;
        this.#resized ||= this.#scaling === 'remote';
      },
      waiting: (cause) => (again ? this.#reconnecting : this.#progress).waiting(name, cause),
      ending: (seconds) => this.#countdown.start(seconds),
      delivered: (state) => this.#clipboard.delivered(state),
      ended: (end) => {
        this.#lost();
        listener.ended(end);
      },
    });
    this.#screen.label(name);
    line.scale(this.#scaling, this.#touch.matches);
    return line;
  }

  live(line: Line): void {
    this.#line = line;
    this.#progress.over();
    this.#screen.thaw();
    enter('live');
    this.#toolbar.ready();
    // noVNC fitted the picture to the space that was free before the toolbar appeared.
    line.scale(this.#scaling, this.#touch.matches);
    line.focus();
  }

  async wait(attempt: number, milliseconds: number, cause: End): Promise<boolean> {
    this.#progress.over();
    this.#toolbar.lost();
    return (await this.#reconnecting.wait(attempt, milliseconds, cause)) === 'try';
  }

  leaving(): void {
    this.#ending.leaving();
  }

  ended(end: End, session: string | null, open: boolean): void {
    this.#progress.over();
    this.#countdown.stop();
    this.#clipboard.close();
    this.#keyboard.close();
    this.#screen.thaw();
    if (document.fullscreenElement !== null) void document.exitFullscreen();
    const name = end.machine ?? machine.name();
    document.title = titled(name, end.sentence);
    this.#ending.show(end, name, session, open);
  }

  async #loaded(): Promise<typeof RFB> {
    try {
      return (await this.#novnc).default;
    } catch {
      this.#novnc = import('@novnc/novnc');
      return (await this.#novnc).default;
    }
  }

  /** Restores the size that the machine's screen had before this page changed it. */
  leaveMachineAsItWas(): void {
    if (this.#resized && this.#before !== null) this.#line?.resize(this.#before);
    this.#resized = false;
  }

  /**
   * Resets the state that belongs to another machine, so that a choice for one does not affect
   * another.
   */
  #meet(machine: string): void {
    if (machine === this.#machine) return;
    this.#machine = machine;
    this.#before = null;
    this.#resized = false;
    this.#scaling = preferred(machine, this.#touch.matches);
    this.#toolbar.choose(this.#scaling);
  }

  #lost(): void {
    this.#clipboard.lost();
    this.#countdown.stop();
    if (this.#line !== null) this.#screen.freeze();
    this.#line = null;
  }

  #scale(scaling: Scaling): void {
    this.#scaling = scaling;
    if (this.#machine !== null) prefer(this.#machine, scaling);
    if (this.#line === null) return;
    this.#line.scale(scaling, this.#touch.matches);
    if (scaling === 'remote') this.#resized = true;
    else this.leaveMachineAsItWas();
  }

  #keyboardOpened(on: boolean): void {
    this.#line?.focusOnClick(!on);
    if (!on) this.#line?.focus();
  }
}
