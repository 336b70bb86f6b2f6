import type { NetworkAccess } from "../network/drivers/driver.ts";

/** Addresses that mean another machine in a container than on the host: 127.0.0.0/8 and ::1. */
const LOOPBACK = /^(127\.|::1(%|$))/;

/**
 * A host's resolv.conf(5) as its containers can use it: without the name servers that listen on the host's loopback
 * addresses only, unless the container is on the host's network itself.
 * @returns the text, and how many name servers are left in it.
 */
export function containerResolver(
  text: string,
  access: NetworkAccess,
): { readonly text: string; readonly nameservers: number } {
  let nameservers = 0;
  const lines = text.split("\n").filter((line) => {
    const address = /^nameserver\s+(\S+)/.exec(line)?.[1];
    if (address === undefined) return true;
    if (access !== "host" && LOOPBACK.test(address)) return false;
    nameservers++;
    return true;
  });
  return { text: lines.join("\n"), nameservers };
}
