import { cut } from "../io/table.ts";
import type { PictureMember, PictureNetwork } from "./words.ts";
import { markup } from "./xml.ts";

/** All lengths are in pixels; a character of the monospace font at 12 px is 7.25 wide, at most. */
const CHARACTER = 7.25;
const LINE = 16;
const PADDING = 10;
const GAP = 12;
const MARGIN = 16;
/** A panel's containers stand side by side until it is about twice as wide as it is high, but at least so many. */
const FEWEST_COLUMNS = 4;
const ASPECT = 2;

const style = `
  text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2933; white-space: pre }
  .page { fill: #ffffff }
  .panel { fill: #eef3f8; stroke: #9fb3c8 }
  .box { fill: #ffffff; stroke: #829ab1 }
  .idle { stroke-dasharray: 4 3 }
  .name { font-weight: bold }
  .quiet { fill: #52667a }
  .port { fill: #8a4b08 }
  .running { fill: #2f9e44 }
  .restarting { fill: #e8a317 }
  .stopped { fill: #b0bcc8 }
`;

interface Size {
  readonly width: number;
  readonly height: number;
}

interface Cell extends Size {
  readonly member: PictureMember;
  readonly lines: readonly Line[];
}

interface Line {
  readonly text: string;
  readonly look: "name" | "quiet" | "port";
}

interface Panel extends Size {
  /** Drawn at the given corner. */
  at(x: number, y: number): string;
}

/** An image: a panel for each network, one below the other, in it a box for each container. */
export function svg(networks: readonly PictureNetwork[]): string {
  const panels = networks.map(panelOf);
  const width = Math.max(0, ...panels.map((panel) => panel.width)) + 2 * MARGIN;
  let y = MARGIN;
  const drawn: string[] = [];
  for (const panel of panels) {
    drawn.push(panel.at(MARGIN, y));
    y += panel.height + MARGIN;
  }
  const height = Math.max(y, 2 * MARGIN);
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>klee's networks</title>
<style>${style}</style>
<rect class="page" width="${width}" height="${height}"/>
${drawn.join("")}</svg>
`;
}

function panelOf({ name, interface: on, subnets, facts, members }: PictureNetwork): Panel {
  const heading: Line[] = [
    { text: `${name}  ${subnets.join("  ")}`, look: "name" },
    { text: `${on}: ${facts.join(", ")}`, look: "quiet" },
  ];
  const rows = inRows(members.map(cellOf));
  const columns = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.width ?? 0)));
  const heights = rows.map((row) => Math.max(...row.map(({ height }) => height)));
  const boxes = { width: sum(columns) + GAP * (columns.length - 1), height: sum(heights) + GAP * rows.length };
  const top = heading.length * LINE + PADDING;
  const width = Math.ceil(Math.max(widthOf(heading), boxes.width) + 2 * PADDING);
  const height = top + boxes.height + PADDING;
  return {
    width,
    height,
    at(x, y) {
      const drawn = rows.flatMap((row, index) => {
        const cellY = y + top + GAP + sum(heights.slice(0, index)) + GAP * index;
        return row.map((cell, column) => {
          const cellX = x + PADDING + sum(columns.slice(0, column)) + GAP * column;
          return drawCell(cell, cellX, cellY, { width: columns[column] ?? 0, height: heights[index] ?? 0 });
        });
      });
      const box = markup`<rect class="panel" x="${x}" y="${y}" width="${width}" height="${height}" rx="8"/>\n`;
      return `<g>${box}${drawLines(heading, x + PADDING, y + PADDING)}${drawn.join("")}</g>\n`;
    },
  };
}

/** Rows of as many cells as make the panel about ASPECT times as wide as it is high. */
function inRows(cells: readonly Cell[]): Cell[][] {
  const mean = (sizes: number[]): number => sum(sizes) / Math.max(1, sizes.length) + GAP;
  const shape = mean(cells.map(({ height }) => height)) / mean(cells.map(({ width }) => width));
  const columns = Math.max(FEWEST_COLUMNS, Math.round(Math.sqrt(cells.length * shape * ASPECT)));
  const rows: Cell[][] = [];
  for (let at = 0; at < cells.length; at += columns) rows.push(cells.slice(at, at + columns));
  return rows;
}

function cellOf(member: PictureMember): Cell {
  const lines: Line[] = [
    // Behind the dot that tells its status.
    { text: `  ${cut(member.name)}`, look: "name" },
    ...member.addresses.map((text): Line => ({ text, look: "quiet" })),
    ...member.ports.map(({ from, to }): Line => ({ text: `${from} → ${to}`, look: "port" })),
    ...member.elsewhere.map((other): Line => ({ text: cut(`also in ${other}`), look: "quiet" })),
  ];
  return {
    member,
    lines,
    width: Math.ceil(widthOf(lines) + 2 * PADDING),
    height: lines.length * LINE + 1.5 * PADDING,
  };
}

function drawCell({ member, lines }: Cell, x: number, y: number, { width, height }: Size): string {
  const look = member.status === "running" ? "box" : "box idle";
  const title = [member.name, member.id, member.status, ...member.addresses].join("  ");
  const box = markup`<rect class="${look}" x="${x}" y="${y}" width="${width}" height="${height}" rx="5"/>\n`;
  const dot = markup`<circle class="${member.status}" cx="${x + PADDING + 4}" cy="${y + PADDING + 5}" r="4"/>\n`;
  return `<g>${markup`<title>${title}</title>`}${box}${dot}${drawLines(lines, x + PADDING, y + PADDING)}</g>\n`;
}

function drawLines(lines: readonly Line[], x: number, y: number): string {
  // The blanks that make room for a dot are no text.
  const drawn = lines.map(({ text, look }, index) => {
    const indented = text.length - text.trimStart().length;
    return markup`<text class="${look}" x="${x + indented * CHARACTER}" y="${y + 9 + index * LINE}">${text.trim()}</text>\n`;
  });
  return drawn.join("");
}

const widthOf = (lines: readonly Line[]): number => CHARACTER * Math.max(0, ...lines.map(({ text }) => text.length));

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
