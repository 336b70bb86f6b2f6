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
  const widthOf = await measure([...headers, ...cells.flat()]);
  const widths = columns.map(({ header, minWidth = 0 }, index) =>
    cells.reduce((width, row) => Math.max(width, widthOf(row[index] ?? "")), Math.max(minWidth, widthOf(header))),
  );
  const line = (row: readonly string[]): string => {
    const padded = widths.map((width, index) => {
      const text = row[index] ?? "";
      return text + " ".repeat(width - widthOf(text));
    });
    return `${margin}${padded.join(gap)}`.trimEnd();
  };
  const total = widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1) + 2 * margin.length;
  return [line(headers), "─".repeat(total), ...cells.map(line)].map((text) => `${text}\n`).join("");
}

/** Cuts a text after 40 characters, the last of which is then `…`. */
export function cut(text: string): string {
  const characters = [...printable(text)];
  return characters.length <= 40 ? characters.join("") : `${characters.slice(0, 39).join("")}…`;
}

/** Control characters spelled out: they would break the table, or drive the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => {
    switch (character) {
      case "\n":
        return "\\n";
      case "\t":
        return "\\t";
      default:
        return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    }
  });
}

const narrow = /^[ -~…]*$/;

/** The number of terminal cells a text takes. The tables for wide characters are loaded only if one occurs. */
async function measure(texts: readonly string[]): Promise<(text: string) => number> {
  if (texts.every((text) => narrow.test(text))) return (text) => text.length;
  const { default: stringWidth } = await import("string-width");
  return (text) => (narrow.test(text) ? text.length : stringWidth(text));
}
