import { existsSync, readFileSync } from "node:fs";
import { isIPv4, isIPv6 } from "../../../ffi/inet.ts";
import { containerResolver } from "../../container/resolver.ts";
import type { ResolverFile } from "../host.ts";

/**
 * The servers that local_unbound(8) hands questions to, as resolv.conf(5): local-unbound-setup(8) writes them as
 * `forward-addr: ADDRESS[@PORT][#NAME]`. Those on another port than 53 cannot be named there.
 *
 * @returns undefined when it hands them to none.
 */
export function forwardersOf(path: string): Pick<ResolverFile, "text" | "nameservers"> | undefined {
  if (!existsSync(path)) return undefined;
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      const [, address = "", port = "53"] =
        /^\s*forward-addr:\s*([0-9a-fA-F:.]+)(?:@(\d+))?(?:#\S*)?\s*$/.exec(line) ?? [];
      return port === "53" && (isIPv4(address) || isIPv6(address)) ? [`nameserver ${address}`] : [];
    });
  const found = containerResolver(`${[...new Set(lines)].join("\n")}\n`, "addresses");
  return found.nameservers > 0 ? found : undefined;
}
