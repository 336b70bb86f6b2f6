import { chmodSync, existsSync, lstatSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { containerResolver } from "../container/resolver.ts";
import type { NetworkAccess, ResolverFile } from "./host.ts";
import { makeDirectory } from "./store-directories.ts";

/**
 * Text of a container's resolv.conf(5); no text, so that the image's own stays, when the host has none.
 *
 * @param paths the host's files, best first; the first one with a name server that containers reach is taken.
 */
export function resolverText(
  paths: readonly string[],
  access: NetworkAccess,
): Pick<ResolverFile, "text" | "nameservers"> {
  let fallback: string | undefined;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const { text, nameservers } = containerResolver(readFileSync(path, "utf8"), access);
    if (nameservers > 0) return { text, nameservers };
    fallback ??= text;
  }
  return { text: fallback, nameservers: 0 };
}

/**
 * Gives a container that does not run the host's name servers of now, unless somebody in it has written others since. One
 * whose /etc is a link, or no directory, goes without.
 *
 * @param files what the container writes to.
 */
export function writeResolver(files: string, { text, record }: ResolverFile): void {
  if (text === undefined) return;
  const [etc, path] = [`${files}/etc`, `${files}/etc/resolv.conf`];
  if (lstatSync(etc, { throwIfNoEntry: false }) === undefined) makeDirectory(etc, 0o755);
  if (!lstatSync(etc).isDirectory()) return;
  const own = lstatSync(path, { throwIfNoEntry: false });
  // None: a klee was killed right here, or the container has done without; a start gives it one either way.
  if (own !== undefined && existsSync(record) && contentOf(path) !== readFileSync(record, "utf8")) return;
  rmSync(path, { force: true, recursive: true });
  writeFileSync(record, text);
  // What the image has there may be a link to anywhere.
  writeFileSync(path, text, { flag: "wx" });
  chmodSync(path, 0o644);
}

/** Undefined when it is no file: a link could lead anywhere. */
function contentOf(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? readFileSync(path, "utf8") : undefined;
}
