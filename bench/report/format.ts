import type { Contender, Row, Target, Unit } from "../model.ts";

/** A figure with three significant digits. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(3, digits));
}

/** `12.3 ms (11.9 - 14.0)`: the median, and the 10th and 90th percentile. */
export function formatFigures({ figures, missing }: Contender, unit: Unit): string {
  if (figures === undefined) return `blank: ${missing ?? "not measured"}`;
  const range = `${formatNumber(figures.p10)} - ${formatNumber(figures.p90)}`;
  return `${formatNumber(figures.median)} ${unit} (${range})`;
}

/** `x 0.82`: klee's figure divided by this one's. */
export function formatRatio({ ratio }: Contender): string {
  return ratio === undefined ? "" : `x ${formatNumber(ratio)}`;
}

export function formatTarget({ text, met }: Target): string {
  return `${text}: ${met === undefined ? "not comparable" : met ? "met" : "MISSED"}`;
}

export const kleeOf = ({ contenders }: Row): Contender | undefined => contenders.find(({ role }) => role === "klee");
export const othersOf = ({ contenders }: Row): Contender[] => contenders.filter(({ role }) => role !== "klee");
