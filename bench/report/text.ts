import type { GroupResult } from "../model.ts";
import { formatFigures, formatRatio, formatTarget } from "./format.ts";

/** A group's table for the terminal. */
export function textTable({ title, rows, skipped, noise, seconds }: GroupResult): string {
  const lines = [`\n${title} (noise ${Math.round(noise * 100)} %, ${seconds.toFixed(0)} s)`];
  for (const { what, unit, contenders, targets } of rows) {
    lines.push(`  ${what}`);
    for (const contender of contenders) {
      const figures = formatFigures(contender, unit).padEnd(32);
      lines.push(`    ${contender.name.padEnd(34)} ${figures} ${formatRatio(contender)}`.trimEnd());
    }
    if (targets.length > 0) lines.push(`    ${targets.map(formatTarget).join("; ")}`);
  }
  for (const reason of skipped) lines.push(`  not measured: ${reason}`);
  return lines.join("\n");
}
