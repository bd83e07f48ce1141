/** Pauses before each try to reconnect, in seconds; the last one repeats. */
const PAUSES = [0.5, 1, 2, 4, 8, 15] as const;

/** After this many seconds of pauses a page gives up: by then somebody has to look. */
const PATIENCE = 120;

/** Each pause varies by this share, so that a restarted Transom does not meet all its pages at once. */
const JITTER = 0.2;

/**
 * How long to wait before try `attempt` (from 1), in milliseconds; `null` when it is time to give up.
 *
 * Only the pauses count, not the clock: a laptop that slept through the two minutes still gets its tries.
 */
export function pauseBefore(attempt: number, random: () => number = Math.random): number | null {
  let waited = 0;
  for (let earlier = 1; earlier < attempt; earlier += 1) waited += pause(earlier);
  if (waited >= PATIENCE) return null;
  return Math.round(pause(attempt) * 1000 * (1 + JITTER * (2 * random() - 1)));
}

function pause(attempt: number): number {
  return PAUSES[Math.min(attempt, PAUSES.length) - 1] ?? 0;
}
