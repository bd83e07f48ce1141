/** The pause before each attempt to reconnect, in seconds. The last value repeats. */
const PAUSES = [0.5, 1, 2, 4, 8, 15] as const;

/** The sum of pauses, in seconds, after which the page gives up and asks the user to act. */
const PATIENCE = 120;

/**
 * The share by which each pause varies, so that not all pages reconnect to a restarted server at
 * the same moment.
 */
const JITTER = 0.2;

/**
 * Returns the pause before attempt number `attempt` (from 1) in milliseconds, or `null` if the page
 * gives up.
 *
 * The limit applies to the sum of the pauses, not to elapsed time: a laptop that slept for two
 * minutes still gets its attempts.
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
