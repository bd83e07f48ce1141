/**
 * The stage of the page. Each stage has its styles, and tests wait for stages.
 *
 * ```text
 * checking → connecting → starting → live ⇄ reconnecting
 *     └───────────┴───────────┴────────┴──────┴──→ ended
 * ```
 */
export type Stage = 'checking' | 'connecting' | 'starting' | 'live' | 'reconnecting' | 'ended';

const root = document.documentElement.dataset;

/** Enters a stage. `reason` is the code of an end reason. */
export function enter(stage: Stage, reason?: string): void {
  root['stage'] = stage;
  if (reason === undefined) delete root['reason'];
  else root['reason'] = reason;
}
