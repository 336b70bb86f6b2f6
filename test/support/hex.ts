/** Bytes written as hex, one field or attribute to a line; what stands after two blanks is a comment. */
export function bytesOf(annotated: string): Buffer {
  const digits = annotated
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/)[0] ?? "")
    .join("")
    .replaceAll(" ", "");
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not hex: ${digits}`);
  return Buffer.from(digits, "hex");
}

/** Bytes in rows of four, for a readable difference. */
export function rowsOf(bytes: Buffer): string[] {
  return bytes.toString("hex").match(/.{1,8}/g) ?? [];
}
