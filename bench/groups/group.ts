import type { Plot, Row } from "../model.ts";
import type { Scale } from "../scale.ts";

export interface Measured {
  readonly rows: readonly Row[];
  readonly plots?: readonly Plot[];
  readonly skipped?: readonly string[];
}

/** Rows that are measured together, in one process with namespaces of its own. */
export interface Group {
  readonly title: string;
  readonly measure: (scale: Scale) => Promise<Measured>;
}
