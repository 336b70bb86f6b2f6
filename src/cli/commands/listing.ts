import type { CliContext } from "../context.ts";
import { formatJsonLine } from "../io/json.ts";
import { type Column, renderTable } from "../io/table.ts";
import type { Session } from "../session.ts";
import type { ListingOptions } from "./options.ts";

/** How objects of one kind are listed. */
export interface Listing<T> {
  readonly columns: readonly Column[];
  row(item: T): readonly string[];
  /** The object for `--format json`; default: the item itself. */
  json?(item: T): unknown;
}

/** Prints a listing in the form that was asked for. */
export async function printListing<T extends { readonly id: string }>(
  session: Session,
  { format, quiet, trunc }: ListingOptions,
  items: readonly T[],
  { columns, row, json = (item) => item }: Listing<T>,
): Promise<void> {
  if (quiet) for (const { id } of items) session.print(id);
  else if (format === "json") for (const item of items) session.print(formatJsonLine(json(item)));
  else {
    const width = trunc ? widthOf(session.context) : undefined;
    session.context.streams.write(1, await renderTable(columns, items.map(row), width));
  }
}

/** Columns of the terminal that a table is printed on; undefined where it goes elsewhere. */
export function widthOf({ streams }: CliContext): number | undefined {
  return streams.isTerminal(1) ? streams.windowSize()?.columns : undefined;
}
