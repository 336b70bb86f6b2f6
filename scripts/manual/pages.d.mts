interface Page {
  /** What an example shows, and the lines of a terminal. */
  readonly examples: readonly (readonly [what: string, lines: string])[];
  /** Pages of others. */
  readonly foreign: { readonly freebsd: readonly string[]; readonly linux: readonly string[] };
}

export const main: Page;
export const groups: Readonly<Record<string, Page>>;
