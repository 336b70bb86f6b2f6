import { UsageError } from "./exit-status.ts";

export const DEFAULT_KEYS = "ctrl-p,ctrl-q";

/** Of a letter, what a terminal sends with the control key, ASCII. */
const CONTROL = 0x1f;

/**
 * The bytes that a terminal sends for a sequence of keys: `a`, or `ctrl-` with a letter or one of `@[\\]^_`, separated by
 * commas. Empty: none detach.
 * @throws {UsageError}
 */
export function parseKeys(text: string = DEFAULT_KEYS): Buffer {
  const keys = text === "" ? [] : text.split(",");
  return Buffer.from(
    keys.map((key) => {
      const [, control] = /^ctrl-([a-z@[\\\]^_])$/i.exec(key) ?? [];
      if (control !== undefined) return control.toUpperCase().charCodeAt(0) & CONTROL;
      if (!/^[!-~]$/.test(key))
        throw new UsageError(`${JSON.stringify(key)} is no key: give one character, or ctrl- and a letter`);
      return key.charCodeAt(0);
    }),
  );
}
