/**
 * The parts of noVNC 1.7 that the page uses (see its `docs/API.md`). The package has no type
 * declarations.
 */
declare module '@novnc/novnc' {
  export interface Options {
    shared?: boolean;
  }

  export interface Events {
    connect: CustomEvent<Record<string, never>>;
    disconnect: CustomEvent<{ clean: boolean }>;
    credentialsrequired: CustomEvent<{ types: string[] }>;
    securityfailure: CustomEvent<{ status: number; reason?: string }>;
    clipboard: CustomEvent<{ text: string }>;
    clippingviewport: CustomEvent<boolean>;
  }

  export default class RFB {
    constructor(target: HTMLElement, channel: WebSocket, options?: Options);

    background: string;
    clipViewport: boolean;
    compressionLevel: number;
    dragViewport: boolean;
    focusOnClick: boolean;
    qualityLevel: number;
    resizeSession: boolean;
    scaleViewport: boolean;
    viewOnly: boolean;

    // Private fields: see `desktop.ts`.
    readonly _fbWidth: number;
    readonly _fbHeight: number;
    readonly _supportsSetDesktopSize: boolean;
    readonly _screenID: number;
    readonly _screenFlags: number;

    addEventListener<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): void;
    blur(): void;
    clipboardPasteFrom(text: string): void;
    disconnect(): void;
    focus(options?: FocusOptions): void;
    sendCtrlAltDel(): void;
    sendKey(keysym: number, code: string | null, down?: boolean): void;
  }
}
