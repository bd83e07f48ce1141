/**
 * What the page shows: each stage has its styles, and tests wait for them.
 *
 * ```text
 * checking → connecting → starting → live ⇄ reconnecting
 *     └───────────┴───────────┴────────┴──────┴──→ ended
 * ```
 */
export type Stage = 'checking' | 'connecting' | 'starting' | 'live' | 'reconnecting' | 'ended';

const root = document.documentElement.dataset;

/** Goes to a stage; `reason` is the code of an ending. */
export function enter(stage: Stage, reason?: string): void {
  root['stage'] = stage;
  if (reason === undefined) delete root['reason'];
  else root['reason'] = reason;
}
