// A reporter of node:test that says what did not run, and why: a line of JSON for each such test or group of tests.

/** @param {AsyncIterable<{ type: string, data: { name?: string, skip?: string | boolean } }>} events */
export default async function* unrun(events) {
  for await (const { type, data } of events)
    if (type === "test:pass" && data.skip) yield `${JSON.stringify({ name: data.name, reason: data.skip })}\n`;
}

/**
 * A summary for people: how many, and how many for each reason.
 *
 * @param {string} report what the reporter has written.
 * @returns {string[]} its lines; none when all ran.
 */
export function summary(report) {
  const reasons = report
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).reason);
  if (reasons.length === 0) return [];
  const counts = new Map();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [
    `${reasons.length} tests or groups of tests did not run here:`,
    ...[...counts].sort(([, a], [, b]) => b - a).map(([reason, count]) => `${String(count).padStart(6)}: ${reason}`),
  ];
}
