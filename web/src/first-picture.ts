/** The width and height, in pixels, of the sample that is inspected. */
const SAMPLE = 8;

/**
 * Calls `seen` when noVNC has drawn its first picture.
 *
 * noVNC has no event for this. A canvas is transparent until something is drawn, and noVNC draws a
 * picture only once it is complete. Returns a function that stops watching.
 */
export function onFirstPicture(canvas: HTMLCanvasElement, seen: () => void): () => void {
  const sample = document.createElement('canvas');
  sample.width = sample.height = SAMPLE;
  const context = sample.getContext('2d', { willReadFrequently: true });
  let frame = 0;
  const look = (): void => {
    if (context === null || drawn(canvas, context)) seen();
    else frame = requestAnimationFrame(look);
  };
  frame = requestAnimationFrame(look);
  return () => cancelAnimationFrame(frame);
}

function drawn(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D): boolean {
  if (canvas.width === 0 || canvas.height === 0) return false;
  context.clearRect(0, 0, SAMPLE, SAMPLE);
  context.drawImage(canvas, 0, 0, SAMPLE, SAMPLE);
  return context.getImageData(0, 0, SAMPLE, SAMPLE).data.some((value, index) => index % 4 === 3 && value > 0);
}
