import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

/** A new directory that is removed, with all in it, when the block ends. */
export function temporaryDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(realpathSync(tmpdir()), "klee-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** What a tree holds, one line for each file: kind, mode, owner, time in seconds, names, content or target. */
export function listing(root: string): string[] {
  const lines: string[] = [];
  const inodes = new Map<number, string>();
  const visit = (path: string): void => {
    const stats = lstatSync(path);
    const name = relative(root, path) || ".";
    const owner = `${stats.uid}:${stats.gid} ${Math.floor(stats.mtimeMs / 1000)}`;
    const mode = (stats.mode & 0o7777).toString(8);
    if (stats.isSymbolicLink()) lines.push(`link ${owner} ${name} -> ${readlinkSync(path)}`);
    else if (stats.isDirectory()) {
      lines.push(`directory ${mode} ${owner} ${name}`);
      for (const entry of readdirSync(path).sort()) visit(join(path, entry));
    } else {
      const first = inodes.get(stats.ino) ?? name;
      inodes.set(stats.ino, first);
      lines.push(`file ${mode} ${owner} ${name} = ${first} ${readFileSync(path).toString("base64")}`);
    }
  };
  visit(root);
  return lines;
}
