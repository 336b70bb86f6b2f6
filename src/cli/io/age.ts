const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

/**
 * How long ago something happened, in words: `2 hours ago`, `About a minute ago`.
 *
 * @param elapsedMs milliseconds; a negative time, after the clock was set back, counts as none.
 */
export function age(elapsedMs: number): string {
  return `${duration(Math.max(0, elapsedMs))} ago`;
}

function duration(elapsedMs: number): string {
  const seconds = Math.floor(elapsedMs / secondMs);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(elapsedMs / minuteMs);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(elapsedMs / hourMs);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}
