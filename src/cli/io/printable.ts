/** What drives a terminal: control characters, and marks that turn the direction of writing. */
const DRIVING = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
/** Those of them that JSON leaves as they are. */
const LEFT_BY_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** What drives a terminal spelled out. */
export function printable(text: string): string {
  return text.replace(DRIVING, (character) => {
    switch (character) {
      case "\n":
        return "\\n";
      case "\t":
        return "\\t";
      default:
        return escaped(character);
    }
  });
}

/** A message as one line: line breaks become blanks. */
export function printableLine(message: string): string {
  return printable(message.trim().replaceAll(/\s*\n\s*/g, " "));
}

/** The same JSON, which drives no terminal either. */
export function printableJson(json: string): string {
  return json.replace(LEFT_BY_JSON, escaped);
}
