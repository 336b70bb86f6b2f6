import { printableJson } from "./printable.ts";

/** JSON with two spaces of indentation and keys in alphabetical order. */
export function formatJson(value: unknown): string {
  return printableJson(JSON.stringify(value, sortKeys, 2));
}

/** JSON on one line, with keys in alphabetical order. */
export function formatJsonLine(value: unknown): string {
  return printableJson(JSON.stringify(value, sortKeys));
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
