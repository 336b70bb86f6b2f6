const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** A piece of XML: the values stand in it as text, in quotes or out of them. */
export function markup(pieces: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return String.raw({ raw: pieces }, ...values.map(escaped));
}

/** What XML 1.0 cannot express at all is U+FFFD. */
function escaped(value: string | number): string {
  return String(value)
    .replaceAll(/[&<>"]/g, (character) => entities[character] ?? "")
    .replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\uFFFD");
}
