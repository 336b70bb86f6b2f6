import { printable } from "./printable.ts";

export interface Column {
  readonly header: string;
  /** The column is at least this many cells wide. */
  readonly minWidth?: number;
}

const gap = "   ";
const margin = " ";

/**
 * A table: header, a rule below it, and the rows, whatever the width of the terminal; nothing is cut. Lines end without
 * spaces.
 */
export async function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): Promise<string> {
  const cells = rows.map((row) => row.map(printable));
  const headers = columns.map((column) => column.header);
  const widthOf = await measure([headers, ...cells]);
  const widths = columns.map(({ header, minWidth = 0 }) => Math.max(minWidth, widthOf(header)));
  for (const row of cells)
    row.forEach((text, index) => {
      widths[index] = Math.max(widths[index] ?? 0, widthOf(text));
    });
  const line = (row: readonly string[]): string =>
    (margin + row.map((text, index) => text + " ".repeat((widths[index] ?? 0) - widthOf(text))).join(gap)).trimEnd();
  const total = widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1) + 2 * margin.length;
  return `${[line(headers), "─".repeat(total), ...cells.map(line)].join("\n")}\n`;
}

/** Cuts a text after 40 characters, the last of which is then `…`. */
export function cut(text: string): string {
  const shown = printable(text);
  // A character is one or two of the units that length counts.
  if (shown.length <= 40) return shown;
  const characters = [...shown];
  return characters.length <= 40 ? characters.join("") : `${characters.slice(0, 39).join("")}…`;
}

/** Texts of characters that take a cell each. */
const narrow = /^[ -~…]*$/;

/** The number of terminal cells a text takes. The tables for wide characters are loaded only if one occurs. */
async function measure(rows: readonly (readonly string[])[]): Promise<(text: string) => number> {
  if (rows.every((row) => row.every((text) => narrow.test(text)))) return (text) => text.length;
  const { default: stringWidth } = await import("string-width");
  return (text) => (narrow.test(text) ? text.length : stringWidth(text));
}
