import { printable } from "./printable.ts";

export interface Column {
  readonly header: string;
  /** The column is at least this many cells wide. */
  readonly minWidth?: number;
  /** Where the table is wider than the terminal, the cells of this column are cut. Names and ids never are. */
  readonly cut?: boolean;
}

const gap = "   ";
const margin = " ";

/** What a cut cell keeps at least, in cells. */
const LEAST = 8;

/**
 * A table: header, a rule below it, and the rows. Lines end without spaces.
 *
 * @param terminal cells that a line may have, as far as columns may be cut; none given: nothing is cut.
 */
export async function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  terminal?: number,
): Promise<string> {
  let cells = rows.map((row) => row.map(printable));
  const headers = columns.map((column) => column.header);
  const widthOf = await measure([headers, ...cells]);
  const widths = columns.map(({ header, minWidth = 0 }) => Math.max(minWidth, widthOf(header)));
  for (const row of cells)
    row.forEach((text, index) => {
      widths[index] = Math.max(widths[index] ?? 0, widthOf(text));
    });
  if (terminal !== undefined) {
    narrow(columns, widths, terminal - outer(widths));
    cells = cells.map((row) => row.map((text, index) => shorten(text, widths[index] ?? 0, widthOf)));
  }
  const line = (row: readonly string[]): string =>
    (margin + row.map((text, index) => text + " ".repeat((widths[index] ?? 0) - widthOf(text))).join(gap)).trimEnd();
  const total = sum(widths) + outer(widths);
  return `${[line(headers), "─".repeat(total), ...cells.map(line)].join("\n")}\n`;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Cells of a line that belong to no column. */
const outer = (widths: readonly number[]): number => gap.length * (widths.length - 1) + 2 * margin.length;

/** Takes cells from the columns that may be cut, always from the widest, until all fit. */
function narrow(columns: readonly Column[], widths: number[], room: number): void {
  for (let missing = sum(widths) - room; missing > 0; missing--) {
    let widest = -1;
    columns.forEach((column, index) => {
      const width = widths[index] ?? 0;
      if (column.cut && width > Math.max(LEAST, widths[widest] ?? 0)) widest = index;
    });
    if (widest === -1) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}

/** The start of a text that fits, with `…` at its end; the whole text if it does. */
function shorten(text: string, width: number, widthOf: (text: string) => number): string {
  if (widthOf(text) <= width) return text;
  let kept = "";
  for (const character of text) {
    if (widthOf(kept + character) > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
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
const singleWidth = /^[ -~…]*$/;

/** The number of terminal cells a text takes. The tables for wide characters are loaded only if one occurs. */
async function measure(rows: readonly (readonly string[])[]): Promise<(text: string) => number> {
  if (rows.every((row) => row.every((text) => singleWidth.test(text)))) return (text) => text.length;
  const { default: stringWidth } = await import("string-width");
  return (text) => (singleWidth.test(text) ? text.length : stringWidth(text));
}
