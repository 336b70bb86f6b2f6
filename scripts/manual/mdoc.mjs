// mdoc(7), written from commander's commands: the manual pages say what --help says.

/** A word that mdoc would take for a macro, or for punctuation to be set apart, is told to be text. */
const protectedWord = (word) => (/^([A-Z%][a-zA-Z0-9]{1,2}|[.,:;()[\]?!|])$/.test(word) ? `\\&${word}` : word);

/** Characters that roff would act on; and a word that mandoc would have as a macro, which would begin a line of its own. */
const plain = (text) =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll(/(^|[\s('])(-+)(?=[\w?\s]|$)/g, (_, before, dashes) => before + "\\-".repeat(dashes.length))
    .replaceAll("FreeBSD", "Free\\&BSD");

/** Words behind a macro. */
export const words = (text) =>
  plain(text)
    .split(" ")
    .map(protectedWord)
    .map((word) => (word.includes('"') ? `"${word.replaceAll('"', '""')}"` : word))
    .join(" ");

/** A sentence of text, each line of which is shorter than 80 characters and begins with no control character. */
export function text(sentence) {
  const lines = [""];
  for (const word of plain(sentence).split(" ")) {
    const line = lines.at(-1);
    // A new sentence begins a new line.
    if (line !== "" && (line.length + word.length > 76 || /[.!?]$/.test(line))) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line) => line.replace(/^[.']/, "\\&$&")).join("\n");
}

/** What begins with a value that is typed so stays as it is. */
const beginsWithValue = (description) => /^[\w-]+(:|;| \(default|,? or json)/.test(description);

const sentenceOf = (description) =>
  beginsWithValue(description) ? `${description}.` : `${description[0].toUpperCase()}${description.slice(1)}.`;

/** `Fl t , Fl -tag Ar name` */
function flagsOf({ flags }) {
  const [, names, placeholder] = /^(.*?)(?: <(.*)>)?$/.exec(flags);
  const shown = names.split(", ").map((name) => `Fl ${name.slice(1).replaceAll("-", "\\-").replace(/^\\-/, "-")}`);
  return `${shown.join(" , ")}${placeholder === undefined ? "" : ` Ar ${words(placeholder)}`}`;
}

/** An option in the synopsis: its shortest form. */
function shortFlags(option) {
  const [, placeholder] = /<(.*)>$/.exec(option.flags) ?? [];
  const name = (option.short ?? option.long).slice(1).replace(/(?!^)-/g, "\\-");
  return `.Op Fl ${name}${placeholder === undefined ? "" : ` Ar ${words(placeholder)}`}`;
}

const argumentOf = (argument) => {
  const name = `Ar ${words(argument.name())}${argument.variadic ? " ..." : ""}`;
  return argument.required ? name : `Op ${name}`;
};

const helped = (option) => option.long !== "--help";

/** The options of a command, without --help, which all have. */
const optionsOf = (command) => command.createHelp().visibleOptions(command).filter(helped);

/** One line of the SYNOPSIS. A command with many options shows them by a word. */
export function synopsis(name, command) {
  const options = optionsOf(command);
  return [
    `.Nm ${name}`,
    ...(options.length > 6 ? [".Op Ar options"] : options.map(shortFlags)),
    ...command.registeredArguments.map((argument) => `.${argumentOf(argument)}`),
  ].join("\n");
}

/** A list of options with what they do. */
export function optionList(command, left = optionsOf(command)) {
  if (left.length === 0) return "";
  const help = command.createHelp();
  const items = left.map((option) => `.It ${flagsOf(option)}\n${text(sentenceOf(help.optionDescription(option)))}`);
  return `.Bl -tag -width Ds\n${items.join("\n")}\n.El\n`;
}

/** A command with its arguments, what it does, and its options; those that it shares with an earlier one are named by it. */
export function commandItem(name, command, earlier, details) {
  const keyOf = ({ flags, description }) => `${flags} ${description}`;
  const options = optionsOf(command);
  const base = earlier.find((other) => {
    const theirs = optionsOf(other).map(keyOf);
    return theirs.length >= 4 && theirs.every((key) => options.some((option) => keyOf(option) === key));
  });
  const known = new Set(base === undefined ? [] : optionsOf(base).map(keyOf));
  const left = options.filter((option) => !known.has(keyOf(option)));
  const help = command.createHelp();
  const meanings = command.registeredArguments
    .filter((argument) => argument.description !== "")
    .map((argument) => `.It Ar ${words(argument.name())}\n${text(sentenceOf(help.argumentDescription(argument)))}`);
  const title = [`Cm ${name}`, ...command.registeredArguments.map(argumentOf)].join(" ");
  return [
    `.It ${title}`,
    text(sentenceOf(command.description())),
    ...(details === undefined ? [] : [details.trim()]),
    ...(meanings.length > 0 ? [`.Bl -tag -width Ds\n${meanings.join("\n")}\n.El`] : []),
    ...(base === undefined
      ? []
      : [`.Pp\nIt takes all options of\n.Cm ${base.name()}${left.length > 0 ? " ,\nand:" : " ."}`]),
    ...(left.length > 0 ? [optionList(command, left).trimEnd()] : []),
  ].join("\n");
}

/** What was typed and printed, as it was. */
export const display = (lines) => `.Bd -literal -offset indent\n${lines.map(literal).join("\n")}\n.Ed`;

const literal = (line) => line.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
