import type { GroupResult, Report, Row } from "../model.ts";
import { formatFigures, formatRatio, formatTarget, kleeOf, othersOf } from "./format.ts";

const BEGIN = "<!-- results: written by npm run bench -->";
const END = "<!-- end of results -->";

/**
 * Puts the report in place of what is between the two marks of a document.
 * @throws when the document lacks them.
 */
export function replaceResults(document: string, report: Report): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the document lacks the marks ${BEGIN} and ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${markdown(report)}\n\n${document.slice(end)}`;
}

function markdown({ environment, groups }: Report): string {
  const facts = Object.entries(environment).map(([name, value]) => `${name} ${value}`);
  return [`Measured in one run: ${facts.join(", ")}.`, ...groups.map(section)].join("\n\n");
}

function section({ title, rows, plots, skipped, noise }: GroupResult): string {
  const parts = [`### ${title}`, `Noise: ${Math.round(noise * 100)} %.`];
  if (rows.length > 0)
    parts.push(
      ["| what | klee | beside it: figure, klee's ratio to it | target |", "|---|---|---|---|", ...rows.map(line)].join(
        "\n",
      ),
    );
  if (skipped.length > 0) parts.push(skipped.map((reason) => `Not measured: ${escapeCell(reason)}.`).join("\n"));
  for (const { name, title: caption } of plots) parts.push(`![${caption}](../bench/results/${name}.svg)`);
  return parts.join("\n\n");
}

function line(row: Row): string {
  const own = kleeOf(row);
  const others = othersOf(row).map((other) =>
    `**${other.name}** ${formatFigures(other, row.unit)} ${formatRatio(other)}`.trimEnd(),
  );
  const cells = [row.what, own === undefined ? "" : formatFigures(own, row.unit), others.join("<br>")];
  return `| ${[...cells, row.targets.map(formatTarget).join("<br>")].map(escapeCell).join(" | ")} |`;
}

const escapeCell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
