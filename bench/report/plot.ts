import type { Plot } from "../model.ts";
import { formatNumber } from "./format.ts";

const WIDTH = 640;
const HEIGHT = 360;
const LEFT = 70;
const RIGHT = 170;
const TOP = 40;
const BOTTOM = 50;
const COLOURS = ["#0b6e4f", "#c1440e", "#33658a", "#7b2d8b", "#8a6d0b"];

/** Cost over size, both axes logarithmic, as an SVG file's text. */
export function svg({ title, x, y, lines }: Plot): string {
  const points = lines.flatMap((line) => line.points);
  const across = axis(points.map(([size]) => size));
  const up = axis(points.map(([, cost]) => cost));
  const left = (size: number): number => LEFT + across.place(size) * (WIDTH - LEFT - RIGHT);
  const top = (cost: number): number => HEIGHT - BOTTOM - up.place(cost) * (HEIGHT - TOP - BOTTOM);
  const parts = [text(LEFT, 22, title, 'font-weight="bold"')];
  for (const tick of across.ticks) {
    parts.push(rule(left(tick), TOP, left(tick), HEIGHT - BOTTOM));
    parts.push(text(left(tick), HEIGHT - BOTTOM + 18, tick.toLocaleString("en"), 'text-anchor="middle"'));
  }
  for (const tick of up.ticks) {
    parts.push(rule(LEFT, top(tick), WIDTH - RIGHT, top(tick)));
    parts.push(text(LEFT - 8, top(tick) + 4, formatNumber(tick), 'text-anchor="end"'));
  }
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x, 'text-anchor="middle"'));
  parts.push(text(16, HEIGHT / 2, y, `text-anchor="middle" transform="rotate(-90 16 ${HEIGHT / 2})"`));
  for (const [index, line] of lines.entries()) {
    const colour = COLOURS[index % COLOURS.length] ?? "black";
    const path = line.points.map(([size, cost]) => `${left(size).toFixed(1)},${top(cost).toFixed(1)}`);
    parts.push(`<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const point of path) {
      const [cx, cy] = point.split(",");
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
    parts.push(text(WIDTH - RIGHT + 14, TOP + 14 + index * 20, line.name, `fill="${colour}"`));
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>\n${parts.join("\n")}\n</svg>\n`;
}

/** A logarithmic axis that spans the values, with a tick at each power of ten. */
function axis(values: readonly number[]): { place: (value: number) => number; ticks: number[] } {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
  return { place: (value) => (Math.log10(value) - low) / (high - low), ticks };
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>`;
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  const place = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line x1="${place[0]}" y1="${place[1]}" x2="${place[2]}" y2="${place[3]}" stroke="#ddd"/>`;
}
