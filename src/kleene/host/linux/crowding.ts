import { readFileSync } from "node:fs";

/** Of how many new connections one is counted: to count each would make the kernel look at all others each time. */
const SAMPLE = 16;
/** The part of the kernel's table of connections that those from one address may take. */
const PART = 8;
/** nf_conntrack_max of a machine with little memory, where it cannot be read. */
const TABLE_DEFAULT = 65_536;

/** How many connections an address of a container may have at once, about: by net.netfilter.nf_conntrack_max. */
export function connectionsOfOne(): number {
  return Math.max(SAMPLE, Math.floor(tableSize() / PART));
}

function tableSize(): number {
  try {
    return Number(readFileSync("/proc/sys/net/netfilter/nf_conntrack_max", "utf8")) || TABLE_DEFAULT;
  } catch {
    return TABLE_DEFAULT;
  }
}

/** The first packet of a connection: one that nobody answers stays new for as long. */
const FIRST = "ct state new ct status and confirmed == 0";

/** Who is counted: filled by the rules alone, as the set `crowded` mostly is, of those who have too many. */
export const countedSet = (family: 4 | 6): string =>
  `set counted${family} { type ipv${family}_addr; size 65535; flags dynamic; }`;

/** As `ruleset.ts` writes rules: a container whose connections are too many begins none for a while. */
export const crowdRules = (connections: number, refuse: string) =>
  [
    {
      chain: "output",
      text: `${FIRST} FAMILY saddr @crowdedN ${refuse}`,
      comment: "has as many connections as one address may have",
    },
    {
      chain: "output",
      text:
        `${FIRST} FAMILY saddr @networksN FAMILY saddr . FAMILY saddr != @gatewaysN numgen random mod ${SAMPLE} 0 ` +
        `add @countedN { FAMILY saddr ct count over ${Math.floor(connections / SAMPLE)} } ` +
        `add @crowdedN { FAMILY saddr timeout 10s } ${refuse}`,
    },
  ] as const;
