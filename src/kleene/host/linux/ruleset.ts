import { type Policy, type PolicyChange, withdrawnAddresses } from "../../network/policy.ts";
import { connectionsOfOne, countedSet, crowdRules } from "./crowding.ts";
import { declarations, difference, type Elements, elementsOf, elementText, families, withCrowded } from "./elements.ts";

/** Group of nflog that blocked packets go to: read by `tcpdump -i nflog:24`, ulogd(8). */
const LOG_GROUP = 24;

/**
 * klee's policy as nft(8) text: one table, a constant number of rules, everything that varies in sets and maps.
 *
 * All containers share the host's stack, so their traffic is the host's own: what one sends passes `output`, what
 * reaches one from another host `input`, and between two containers both, over lo; never `forward`, which is closed to
 * their addresses. What goes to an address that a container has goes by lo, whatever the routes say. A rule here can
 * only take away: a packet that it accepts goes on to the tables of others, and what they drop stays dropped.
 */
interface RuleText {
  readonly chain: string;
  /** FAMILY is ip or ip6, N is 4 or 6, LOOPBACK is the family's. */
  readonly text: string;
  readonly comment?: string;
}

const chains: Readonly<Record<string, string>> = {
  source: "type filter hook output priority raw; policy accept;",
  prerouting: "type nat hook prerouting priority dstnat; policy accept;",
  local_redirect: "type nat hook output priority -100; policy accept;",
  output: "type filter hook output priority filter; policy accept;",
  input: "type filter hook input priority filter; policy accept;",
  forward: "type filter hook forward priority filter; policy accept;",
  postrouting: "type nat hook postrouting priority srcnat; policy accept;",
};

/**
 * What containers and the host send, and may not. The kernel has the answer before connect(2) or sendto(2) returns: TCP
 * gets a reset, since an ICMP error that comes while connect(2) still holds the socket is lost, and found out only with the
 * next segment, a second later.
 */
const REFUSE = "goto refuse";
/** What comes from outside, and may not. */
const DISCARD = "goto discard";
/** So that who is blocked cannot fill a disk. */
const LIMIT = "limit rate 10/second burst 20 packets";
const LOG = `log prefix "klee blocked: " group ${LOG_GROUP}`;
/** Each packet once. */
const logRules: readonly string[] = ["ip daddr @logged4", "ip6 daddr @logged6"].flatMap((match) => [
  `${match} ${LIMIT} ${LOG}`,
  `${match.replace("daddr", "saddr")} ${match.replace("daddr @", "daddr != @")} ${LIMIT} ${LOG}`,
]);

/** Chains that others go to, the same for both families. */
const ends: Readonly<Record<string, readonly string[]>> = {
  refuse: [...logRules, "meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"],
  discard: [...logRules, "drop"],
};

const PORT = "meta l4proto . th dport";

const rulesFor = (connections: number): readonly RuleText[] => [
  { chain: "source", text: "meta mark . FAMILY saddr @ownN return", comment: "raw socket, own source" },
  { chain: "source", text: "FAMILY saddr set meta mark map @rawN", comment: "raw socket: its source is its own" },

  {
    chain: "prerouting",
    text: `FAMILY daddr != @networksN fib daddr type local dnat FAMILY to FAMILY daddr . ${PORT} map @by_addressN`,
    comment: "published on an address",
  },
  {
    chain: "prerouting",
    text: `FAMILY daddr != @networksN fib daddr . iif type local dnat FAMILY to iifname . ${PORT} map @by_interfaceN`,
    comment: "published on an interface",
  },
  {
    chain: "prerouting",
    text: `FAMILY daddr != @networksN fib daddr type local dnat FAMILY to ${PORT} map @anywhereN`,
    comment: "published on all addresses",
  },

  {
    chain: "local_redirect",
    text: `FAMILY daddr != @networksN fib daddr type local dnat FAMILY to FAMILY daddr . ${PORT} map @by_addressN`,
    comment: "published, from the host itself",
  },
  {
    chain: "local_redirect",
    text: `FAMILY daddr != @networksN fib daddr type local dnat FAMILY to ${PORT} map @locallyN`,
  },

  {
    chain: "output",
    text: `oifname != "lo" FAMILY daddr @networksN ${REFUSE}`,
    comment: "an address that no container has: never by whatever route there is",
  },
  {
    chain: "output",
    text: 'oifname != "lo" FAMILY saddr @networksN fib saddr type != local goto discard',
    comment: "nor from one that a socket has kept",
  },
  {
    chain: "output",
    text: "FAMILY saddr @networksN ct state established,related ct direction reply accept",
    comment: "replies",
  },
  ...crowdRules(connections, REFUSE),
  {
    chain: "output",
    text: `FAMILY saddr @internalN ct status dnat ct direction original ${REFUSE}`,
    comment: "no way out, nor back in by a published port of the host",
  },
  { chain: "output", text: "FAMILY saddr . FAMILY daddr @peersN accept", comment: "a container reaches itself" },
  {
    chain: "output",
    text: "FAMILY saddr . FAMILY daddr @pairsN FAMILY daddr @networksN accept",
    comment: "within one network",
  },
  { chain: "output", text: "FAMILY saddr . FAMILY daddr @gatewaysN accept", comment: "the host's side of it" },
  { chain: "output", text: `FAMILY saddr @internalN ${REFUSE}`, comment: "no way out" },
  {
    chain: "output",
    text: `FAMILY saddr @networksN FAMILY daddr . ${PORT} @publishedN accept`,
    comment: "published, at the container's address",
  },
  {
    chain: "output",
    text: `FAMILY saddr @networksN FAMILY daddr @networksN ${REFUSE}`,
    comment: "networks are apart",
  },

  {
    chain: "input",
    text: `iifname != "lo" FAMILY saddr @networksN ${DISCARD}`,
    comment: "no container is outside",
  },
  {
    chain: "input",
    text: 'iifname != "lo" FAMILY daddr @networksN ct state established,related accept',
    comment: "replies",
  },
  {
    chain: "input",
    text: `iifname != "lo" ct status dnat FAMILY daddr . ${PORT} @publishedN accept`,
    comment: "published",
  },
  { chain: "input", text: `iifname != "lo" FAMILY daddr @networksN ${DISCARD}`, comment: "nothing else from outside" },

  {
    chain: "forward",
    text: `FAMILY daddr @networksN ${DISCARD}`,
    comment: "containers are on the host, not behind it",
  },
  { chain: "forward", text: `FAMILY saddr @networksN ${DISCARD}` },

  {
    chain: "postrouting",
    text: "FAMILY saddr LOOPBACK ct status dnat snat FAMILY to FAMILY daddr",
    comment: "published, from the host's loopback: containers cannot answer to it",
  },
  {
    chain: "postrouting",
    text: "oifname . FAMILY saddr @translatedN FAMILY daddr != @networksN masquerade",
    comment: "NAT",
  },
  {
    chain: "postrouting",
    text: 'oifname != "lo" FAMILY saddr @masqueradedN FAMILY daddr != @networksN masquerade',
    comment: "NAT, whatever it leaves by",
  },
];

/** How many rules the table has. */
export const RULE_COUNT = 2 * rulesFor(0).length + Object.values(ends).reduce((sum, { length }) => sum + length, 0);

const words = {
  4: { FAMILY: "ip", N: "4", LOOPBACK: "127.0.0.0/8" },
  6: { FAMILY: "ip6", N: "6", LOOPBACK: "::1" },
} as const;

/** The rules of a chain: one for each family. */
function rulesOf(chain: string, rules: readonly RuleText[]): string[] {
  return rules
    .filter((rule) => rule.chain === chain)
    .flatMap(({ text, comment }) =>
      ([4, 6] as const).map((family) => {
        const filled = text.replace(/FAMILY|LOOPBACK|(?<=@\w+)N\b/g, (word) => words[family][word as "N"]);
        return comment === undefined ? filled : `${filled} comment "${comment}"`;
      }),
    );
}

/**
 * The table without elements: what is the same for every policy. Takes the place of one that is there.
 *
 * @param connections how many an address may have.
 */
export function frameText(table: string, connections = connectionsOfOne()): string {
  const rules = rulesFor(connections);
  const lines = [`table inet ${table}`, `delete table inet ${table}`, `table inet ${table} {`];
  for (const [name, keyword, body] of declarations) lines.push(`  ${keyword} ${name} ${body}`);
  for (const family of families) lines.push(`  ${countedSet(family)}`);
  // Before those that go there.
  for (const [name, texts] of Object.entries(ends))
    lines.push(`  chain ${name} {`, ...texts.map((text) => `    ${text}`), "  }");
  for (const [name, hook] of Object.entries(chains))
    lines.push(`  chain ${name} {`, `    ${hook}`, ...rulesOf(name, rules).map((rule) => `    ${rule}`), "  }");
  return `${lines.join("\n")}\n}\n`;
}

/** Replaces the table by one that holds the whole policy. One transaction. */
export function loadText(table: string, policy: Policy): string {
  return frameText(table) + elementText("add", table, elementsOf(policy));
}

/** Elements to add or to delete. */
export interface Step {
  readonly verb: "add" | "delete";
  readonly elements: Elements;
}

/** What a change does to the sets, in this order; nothing when nothing changes. */
export function stepsOf(change: PolicyChange): readonly Step[] {
  const { add = {}, remove = {}, unconnected } = change;
  const before = elementsOf(remove);
  const after = elementsOf(add);
  // Whoever gets the address next has no connections yet.
  const gone = withCrowded(difference(before, after), unconnected ? [] : withdrawnAddresses(change));
  const steps: Step[] = [
    // `add` of what is there is no error and `delete` of what is missing is one: adding first makes removal idempotent.
    { verb: "add", elements: gone },
    { verb: "delete", elements: gone },
    { verb: "add", elements: difference(after, before) },
  ];
  return steps.filter(({ elements }) => elements.size > 0);
}

/** Adds and removes elements. Empty when nothing changes. */
export function changeText(table: string, change: PolicyChange): string {
  return stepsOf(change)
    .map(({ verb, elements }) => elementText(verb, table, elements))
    .join("");
}

export function unloadText(table: string): string {
  return `add table inet ${table}\ndelete table inet ${table}\n`;
}
