/** One thing that was tried, and how it ended in each kind of container: `allowed` or the errno's name. */
export interface Probe {
  readonly group: string;
  readonly what: string;
  readonly results: readonly string[];
}

const BEGIN = "<!-- probes: made by KLEE_UPDATE_GOLDEN=1 node scripts/test.mjs test/security -->";
const END = "<!-- end of probes -->";

/** The document with its table replaced. */
export function markdown(document: string, columns: readonly string[], probes: readonly Probe[]): string {
  const groups = [...new Set(probes.map(({ group }) => group))];
  const tables = groups.map((group) => {
    const rows = probes.filter((probe) => probe.group === group);
    return [
      `### ${group[0]?.toUpperCase()}${group.slice(1)}`,
      "",
      `| tried | ${columns.join(" | ")} |`,
      `|---|${columns.map(() => "---").join("|")}|`,
      ...rows.map(({ what, results }) => `| ${what} | ${results.join(" | ")} |`),
    ].join("\n");
  });
  const [before = "", rest = ""] = document.split(BEGIN);
  const [, after = ""] = rest.split(END);
  return `${before}${BEGIN}\n\n${tables.join("\n\n")}\n\n${END}${after}`;
}

/** The rows of the document's table. */
export function readTable(document: string): Probe[] {
  const table = document.split(BEGIN)[1]?.split(END)[0] ?? "";
  let group = "";
  return table.split("\n").flatMap((line) => {
    if (line.startsWith("### ")) group = line.slice("### ".length).toLowerCase();
    const [, what, ...results] = line.split("|").map((cell) => cell.trim());
    if (what === undefined || what === "tried" || /^-*$/.test(what)) return [];
    return [{ group, what, results: results.slice(0, -1) }];
  });
}
