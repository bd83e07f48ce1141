/** What noVNC knows of the machine's screen. It is not of its API, and only read; the lock file pins the version. */
export interface Screen {
  readonly _fbWidth: number;
  readonly _fbHeight: number;
  readonly _supportsSetDesktopSize: boolean;
  readonly _screenID: number;
  readonly _screenFlags: number;
}

/** A screen's size in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** SetDesktopSize with one screen (the registry's message 251). */
export function setDesktopSize({ width, height }: Size, screen: { id: number; flags: number }): Uint8Array<ArrayBuffer> {
  const message = new DataView(new ArrayBuffer(24));
  message.setUint8(0, 251);
  message.setUint16(2, width);
  message.setUint16(4, height);
  message.setUint8(6, 1);
  message.setUint32(8, screen.id);
  message.setUint16(16, width);
  message.setUint16(18, height);
  message.setUint32(20, screen.flags);
  return new Uint8Array(message.buffer);
}

/** The size of the machine's screen now; `null` while it has none. */
export function sizeOf(rfb: Screen): Size | null {
  const { _fbWidth: width, _fbHeight: height } = rfb;
  return width > 0 && height > 0 ? { width, height } : null;
}

/** What has to be sent to give the screen this size; `null` where it has it, or cannot be resized. */
export function resizing(rfb: Screen, size: Size): Uint8Array<ArrayBuffer> | null {
  const now = sizeOf(rfb);
  if (!rfb._supportsSetDesktopSize || now === null || (now.width === size.width && now.height === size.height)) return null;
  return setDesktopSize(size, { id: rfb._screenID, flags: rfb._screenFlags });
}
