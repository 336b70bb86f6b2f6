import { existsSync, readFileSync } from "node:fs";
import { containerResolver } from "../container/resolver.ts";

/**
 * Text of a container's resolv.conf(5); undefined, so that the image's own stays, when the host has none.
 *
 * @param paths the host's files, best first; the first one with a name server that containers reach is taken.
 */
export function resolverText(paths: readonly string[]): string | undefined {
  let fallback: string | undefined;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const { text, nameservers } = containerResolver(readFileSync(path, "utf8"));
    if (nameservers > 0) return text;
    fallback ??= text;
  }
  return fallback;
}
