// The manual pages: dist/man/klee.8, and one for each group of commands. From the built command tree and pages.mjs.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { commandItem, display, optionList, synopsis, text } from "./mdoc.mjs";
import { DATE, environment, files, groups, main, ownStatus, payloadStatus } from "./pages.mjs";

/** A group that pages.mjs says nothing of is built all the same; the tests ask for its words. */
const BARE = { about: "", details: {}, examples: [], see: ["klee 8"], foreign: { freebsd: [], linux: [] } };

/** Writes the pages. @returns their paths. */
export async function writeManual(root) {
  const program = await commandTree(root);
  const directory = join(root, "dist/man");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const pages = { klee: mainPage(program) };
  for (const group of program.commands.filter(({ commands }) => commands.length > 0))
    pages[`klee-${group.name()}`] = groupPage(group, groups[group.name()] ?? BARE);
  return Object.entries(pages).map(([name, source]) => {
    const path = join(directory, `${name}.8`);
    writeFileSync(path, source);
    return path;
  });
}

/** All commands, as --help sees them. */
export async function commandTree(root) {
  const load = (path) => import(pathToFileURL(join(root, "dist/src/cli", path)).href);
  const { Command } = await import("commander");
  const [{ registerCommands }, { Session }] = await Promise.all([load("program.js"), load("session.js")]);
  const program = new Command("klee");
  registerCommands(program, new Session({ streams: {} }, program, []));
  return program;
}

const visible = (command) =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== "help");

function page(name, description, sections) {
  const body = sections.map(([heading, content]) => `.Sh ${heading}\n${content.trim()}\n`).join("");
  return `.\\" Made from klee's commands by scripts/manual; not to be edited.
.Dd ${DATE}
.Dt ${name.toUpperCase()} 8
.Os
.Sh NAME
.Nm ${name}
.Nd ${description}
${body}`;
}

function groupPage(group, { about, details, examples, see, foreign }) {
  const name = group.name();
  const commands = visible(group);
  for (const key of Object.keys(details))
    if (!commands.some((command) => command.name() === key))
      throw new Error(`pages.mjs: no command klee ${name} ${key}`);
  const items = commands.map((command, index) =>
    commandItem(command.name(), command, commands.slice(0, index), details[command.name()]),
  );
  const payload = commands.some((command) => command.name() === "run");
  const shortcuts = shortcutsOf(group);
  return page(`klee-${name}`, group.description(), [
    ["SYNOPSIS", commands.map((command) => synopsis(`klee ${name} ${command.name()}`, command)).join("\n")],
    [
      "DESCRIPTION",
      `${about.trim()}\n.Pp\nThe commands are:\n.Bl -tag -width Ds\n${items.join("\n")}\n.El\n${shortcuts}`,
    ],
    ["ENVIRONMENT", `See\n.Xr klee 8 .`],
    ["FILES", `See\n.Xr klee 8 .`],
    ["EXIT STATUS", payload ? `${ownStatus}\n.Pp\n${payloadStatus}` : ownStatus],
    ["EXAMPLES", examplesOf(examples)],
    ["SEE ALSO", seeAlso(see, foreign)],
  ]);
}

function mainPage(program) {
  const named = groupsOf(program);
  const others = visible(program).filter((command) => command.commands.length === 0 && !command.helpGroup());
  const items = [
    ...named.map(
      (group) =>
        `.It Cm ${group.name()} Ar command\nCommands on ${group.description()}; see\n.Xr klee-${group.name()} 8 .`,
    ),
    ...others.map((command) => commandItem(command.name(), command, [], undefined)),
    ".It Cm help Op Ar command\nShow the help of a command, as\n.Fl -help\ndoes.",
  ];
  const global = "Options before the command:";
  return page("klee", "containers with a jail's networking, without a daemon", [
    ["SYNOPSIS", ".Nm\n.Op Fl -root Ar dir\n.Op Fl -trace\n.Ar command\n.Op Ar argument ...\n.Nm\n.Fl -version"],
    [
      "DESCRIPTION",
      `${main.about.trim()}\n.Pp\n${global}\n${optionList(program)}.Pp\nThe commands are:\n.Bl -tag -width Ds\n${items.join("\n")}\n.El\n${allShortcuts(named)}`,
    ],
    ["ENVIRONMENT", environment],
    ["FILES", files],
    ["EXIT STATUS", `${ownStatus}\n.Pp\n${payloadStatus}`],
    ["EXAMPLES", examplesOf(main.examples)],
    ["SEE ALSO", seeAlso(named.map((group) => `klee-${group.name()} 8`).sort(), main.foreign)],
  ]);
}

const groupsOf = (program) => program.commands.filter(({ commands }) => commands.length > 0);

/** Names outside of the group of the commands in it, by the commands' names. */
function shortcutPairs(group) {
  const outside = group.parent.commands.filter((command) => command.helpGroup());
  return visible(group).flatMap((command) =>
    outside
      .filter((other) => other.description() === command.description() && usageOf(other) === usageOf(command))
      .map((other) => [other.name(), command.name()]),
  );
}

const usageOf = (command) => [command.usage(), ...command.options.map(({ flags }) => flags)].join(" ");

function shortcutsOf(group) {
  const pairs = shortcutPairs(group);
  if (pairs.length === 0) return "";
  const items = pairs.map(([short, long]) => `.It Ic klee ${short}\n.Ic klee ${group.name()} ${long}`);
  return `.Pp\nShortcuts:\n.Bl -tag -width "klee restart" -compact\n${items.join("\n")}\n.El\n`;
}

function allShortcuts(named) {
  const items = named.flatMap((group) =>
    shortcutPairs(group).map(([short, long]) => `.It Ic ${short}\n.Ic ${group.name()} ${long}`),
  );
  return `.Pp\nShortcuts:\n.Bl -tag -width restart -compact\n${items.join("\n")}\n.El\n`;
}

const examplesOf = (examples) =>
  examples.map(([what, lines]) => `${text(what)}\n${display(lines.split("\n"))}`).join("\n.Pp\n");

/** Other pages by section, then by name. */
function seeAlso(own, { freebsd, linux }) {
  const all = [...new Set([...own, ...freebsd, ...linux])].map((one) => one.split(" "));
  all.sort(([a, m], [b, n]) => m.localeCompare(n) || a.localeCompare(b));
  return all.map(([name, section], index) => `.Xr ${name} ${section}${index < all.length - 1 ? " ," : ""}`).join("\n");
}
