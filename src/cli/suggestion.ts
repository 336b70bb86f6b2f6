import type { Command } from "commander";

/** Commands of other tools that hands know, by what is klee's way to it. */
const others: Readonly<Record<string, string>> = {
  delete: "klee container rm",
  info: "klee system check",
  list: "klee lsc",
  load: "klee image create tar",
  import: "klee image create tar",
  ls: "klee lsc, lsi or lsn",
  networks: "klee lsn",
  pull: "klee image create fetch",
};

/**
 * What to say after a command that there is none: the one of this name elsewhere, what another tool's is here, or one that
 * is written nearly so; nothing, where none is near.
 *
 * @param at the command below which it was looked for.
 */
export function instead(program: Command, at: Command, word: string): string {
  if (at === program) {
    const other = Object.hasOwn(others, word) ? others[word] : elsewhere(program, word);
    if (other !== undefined) return `; it is '${other}'`;
  }
  const names = visible(at);
  const distances = names.map((name) => ({ name, distance: distance(word, name) }));
  const nearest = Math.min(...distances.map((one) => one.distance));
  if (nearest > allowed(word)) return "";
  const near = distances.filter((one) => one.distance === nearest).map(({ name }) => name);
  return ` (Did you mean ${near.join(" or ")}?)`;
}

/** `klee container update`; the group whose name comes first where several have it. */
function elsewhere(program: Command, word: string): string | undefined {
  const groups = program.commands.filter((command) => visible(command).includes(word)).map((command) => command.name());
  if (groups.length === 0) return undefined;
  return groups.map((group) => `klee ${group} ${word}`).join("' or '");
}

const visible = (command: Command): string[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map((one) => one.name());

/** One slip in a short word, two in a long one. */
const allowed = (word: string): number => (word.length < 5 ? 1 : 2);

/** How many letters to put in, take out, change or exchange with the next one: restricted Damerau-Levenshtein. */
function distance(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= one.length; row++) {
    rows.push([row]);
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      rows[row]?.push(
        Math.min(
          at(row - 1, column) + 1,
          at(row, column - 1) + 1,
          at(row - 1, column - 1) + (same ? 0 : 1),
          swapped ? at(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(one.length, other.length);
}
