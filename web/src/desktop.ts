/**
 * noVNC's private fields about the machine's screen. The page only reads them, and the lock file
 * pins noVNC's version.
 */
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

/** Builds SetDesktopSize with one screen (message 251 of the RFB registry). */
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

/** Returns the current size of the machine's screen, or `null` if it has none yet. */
export function sizeOf(rfb: Screen): Size | null {
  const { _fbWidth: width, _fbHeight: height } = rfb;
  return width > 0 && height > 0 ? { width, height } : null;
}

/**
 * Builds the message that gives the screen this size. Returns `null` if it has the size already or
 * cannot be resized.
 */
export function resizing(rfb: Screen, size: Size): Uint8Array<ArrayBuffer> | null {
  const now = sizeOf(rfb);
  if (!rfb._supportsSetDesktopSize || now === null || (now.width === size.width && now.height === size.height)) return null;
  return setDesktopSize(size, { id: rfb._screenID, flags: rfb._screenFlags });
}
