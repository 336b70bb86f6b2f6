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
  { format, quiet }: ListingOptions,
  items: readonly T[],
  { columns, row, json = (item) => item }: Listing<T>,
): Promise<void> {
  if (quiet) for (const { id } of items) session.print(id);
  else if (format === "json") for (const item of items) session.print(formatJsonLine(json(item)));
  else session.context.streams.write(1, await renderTable(columns, items.map(row)));
}
