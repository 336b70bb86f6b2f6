import { markup } from "../../src/cli/graph/xml.ts";

/** A command as it was typed, what it printed, and how long it took. */
export interface Shown {
  readonly command: string;
  readonly output: string;
  readonly milliseconds: number;
}

/** Pixels; a character of the font is as wide as 12 px of it are, at most. */
const CHARACTER = 7.25;
const LINE = 17;
const MARGIN = 14;
/** How fast somebody types, and how long it takes to read what was printed. */
const TYPING_MS = 30;
const READING_MS = 900;

const style = `
  text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d8dee9; white-space: pre }
  .page { fill: #1d232c }
  .typed { fill: #ffffff; font-weight: bold }
  .prompt { fill: #7fc98b }
  g { animation: appear 1ms both }
  @keyframes appear { from { visibility: hidden } to { visibility: visible } }
  @media (prefers-reduced-motion: reduce) { g { animation: none } }
`;

interface Line {
  readonly text: string;
  readonly isTyped: boolean;
  /** When it appears. */
  readonly at: number;
}

/** A terminal as an SVG image in which commands and outputs appear as they did, and stay. */
export function terminalImage(shown: readonly Shown[]): string {
  const lines = linesOf(shown);
  const columns = Math.max(...lines.map(({ text }) => text.length + 2));
  const width = Math.ceil(columns * CHARACTER + 2 * MARGIN);
  const height = lines.length * LINE + 2 * MARGIN;
  const drawn = lines.map(({ text, isTyped, at }, index) => {
    const y = MARGIN + 12 + index * LINE;
    const words = isTyped
      ? markup`<tspan class="prompt"># </tspan><tspan class="typed">${text}</tspan>`
      : markup`${text}`;
    const start = markup`<g style="animation-delay: ${Math.round(at)}ms"><text xml:space="preserve" x="${MARGIN}" y="${y}">`;
    return `${start}${words}</text></g>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<title>klee in a terminal</title>
<style>${style}</style>
<rect class="page" width="${width}" height="${height}" rx="8"/>
${drawn.join("")}</svg>
`;
}

function linesOf(shown: readonly Shown[]): Line[] {
  let at = 0;
  return shown.flatMap(({ command, output, milliseconds }) => {
    at += command.length * TYPING_MS;
    const typed = { text: command, isTyped: true, at };
    at += milliseconds;
    const lines = output === "" ? [] : output.trimEnd().split("\n");
    const printed = lines.map((text) => ({ text, isTyped: false, at }));
    at += READING_MS;
    return [typed, ...printed];
  });
}
