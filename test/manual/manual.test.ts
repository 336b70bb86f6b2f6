import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { commandTree } from "../../scripts/manual/manual.mjs";
import { groups, main } from "../../scripts/manual/pages.mjs";
import { needs } from "../support/gate.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const directory = join(root, "dist/man");
const names = readdirSync(directory).sort();
const sources = names.map((name) => readFileSync(join(directory, name), "utf8"));
const program = await commandTree(root);
const gate = needs("mandoc");

/** What mandoc says of a page of another system that this one has not, or not in its index. */
const ABSENT = /: referenced manual not found: |^mandoc: outdated mandoc\.db lacks /;

test("mandoc has nothing to say about the manual pages", gate, () => {
  for (const name of names) {
    const { stdout, stderr } = spawnSync("mandoc", ["-Tlint", join(directory, name)], { encoding: "utf8" });
    const messages = `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !ABSENT.test(line));
    assert.deepEqual(messages, [], name);
  }
});

test("the pages refer to each other, and to the pages of others that are declared", () => {
  const foreign = [main, ...Object.values(groups)].flatMap((page) => [...page.foreign.freebsd, ...page.foreign.linux]);
  const known = new Set([...names.map((name) => name.replace(".8", " 8")), ...foreign, "dot 1"]);
  const references = sources.flatMap((source) => [...source.matchAll(/^\.Xr (\S+ \d)/gm)].map(([, one]) => one ?? ""));
  assert.ok(references.length > 20);
  assert.deepEqual(
    references.filter((one) => !known.has(one)),
    [],
  );
});

test("scripts/manual/pages.mjs has words and examples for each group", () => {
  for (const group of program.commands.filter(({ commands }) => commands.length > 0))
    assert.ok((groups[group.name()]?.examples.length ?? 0) > 0, group.name());
});

test("a page for klee and for each group, and package.json names them all", () => {
  const wanted = program.commands
    .filter(({ commands }) => commands.length > 0)
    .map((group) => `klee-${group.name()}.8`);
  assert.deepEqual(names, ["klee.8", ...wanted].sort());
  const { man } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.deepEqual(man.map((path: string) => basename(path)).sort(), names);
  for (const source of sources)
    for (const heading of ["SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"])
      assert.match(source, new RegExp(`^\\.Sh ${heading}$`, "m"));
});

/** As a terminal of 100 columns shows it. */
function shown(name: string): string {
  const { stdout } = spawnSync("mandoc", ["-Tutf8", "-Owidth=100", join(directory, name)], { encoding: "utf8" });
  // A letter over itself is bold, over a line underlined.
  const pieces = stdout.split("\b");
  return pieces.map((piece, index) => (index < pieces.length - 1 ? piece.slice(0, -1) : piece)).join("");
}

/** Without what depends on where lines end: blanks, hyphens; and without capitals. */
const compact = (text: string): string => text.replaceAll(/[\s‐−-]/g, "").toLowerCase();

test("each command, argument and option of --help is on the page of its group, in the same words", gate, () => {
  for (const group of program.commands.filter(({ commands }) => commands.length > 0)) {
    const page = compact(shown(`klee-${group.name()}.8`));
    const has = (text: string): void => assert.ok(page.includes(compact(text)), `klee-${group.name()}(8): ${text}`);
    const help = group.createHelp();
    for (const command of help.visibleCommands(group)) {
      has(`klee ${group.name()} ${command.name()}`);
      has(command.description());
      for (const option of help.visibleOptions(command).filter(({ long }) => long !== "--help")) {
        has(option.long ?? "");
        has(help.optionDescription(option));
      }
      for (const argument of command.registeredArguments) has(help.argumentDescription(argument));
    }
  }
});

/** The command of a line, and the words that follow. */
function commandOf(line: string): [Command, string[]] {
  let command = program;
  const words = line.match(/"[^"]*"|\S+/g) ?? [];
  let at = 1;
  for (; at < words.length; at++) {
    const next = command.commands.find((one) => one.name() === words[at]);
    if (next === undefined) break;
    command = next;
  }
  return [command, words.slice(at)];
}

test("klee(8) has the commands, options and shortcuts of klee --help", gate, () => {
  const page = compact(shown("klee.8"));
  const help = program.createHelp();
  for (const command of help.visibleCommands(program))
    assert.ok(page.includes(compact(command.name())), command.name());
  assert.ok(page.includes(compact(program.commands.find((one) => one.name() === "completion")?.description() ?? "?")));
  for (const option of help.visibleOptions(program).filter(({ long }) => long !== "--help"))
    assert.ok(page.includes(compact(`${option.long ?? option.flags}`)), option.flags);
  const shortcuts = program.commands.filter((command) => command.helpGroup());
  assert.ok(shortcuts.length > 15);
  for (const shortcut of shortcuts) {
    const lines = sources.join("\n").match(new RegExp(`^\\.It Ic klee ${shortcut.name()}$`, "gm"));
    assert.equal(lines?.length, 1, shortcut.name());
  }
});

test("what the examples type is a command with options of its own", () => {
  const typed = [main, ...Object.values(groups)]
    .flatMap(({ examples }) => examples.flatMap(([, lines]) => lines.replaceAll("\\\n", "").split("\n")))
    .filter((line) => line.startsWith("# klee "))
    .map((line) => line.slice("# ".length));
  assert.ok(typed.length > 10);
  for (const line of typed) {
    const [command, words] = commandOf(line);
    assert.notEqual(command, program, line);
    for (const word of words) {
      if (!word.startsWith("-")) continue;
      // What follows the image or the container belongs to the command in it.
      if (["nc", "sh"].some((inner) => words.indexOf(inner) >= 0 && words.indexOf(inner) < words.indexOf(word))) break;
      assert.ok(
        command.options.some(({ long, short }) => word === long || word === short),
        `${line}: ${word}`,
      );
    }
  }
});
