import type { Policy, PolicyChange, PolicyEndpoint, PolicyNetwork } from "../../network/policy.ts";
import { markOf } from "./confinement/mark.ts";

/**
 * klee's policy as nft(8) text: one table, a constant number of rules, everything that varies in sets and maps.
 *
 * All containers share the host's stack, so their traffic is the host's own: what one sends passes `output`, what
 * reaches one from another host `input`, and between two containers both, over lo; never `forward`.
 */
type SetName =
  | "networks4"
  | "networks6"
  | "translated4"
  | "translated6"
  | "icc4"
  | "icc6"
  | "internal4"
  | "internal6"
  | "self4"
  | "self6"
  | "raw4"
  | "raw6"
  | "own4"
  | "own6";

const setTypes: Readonly<Record<SetName, string>> = {
  networks4: "type ipv4_addr; flags interval",
  networks6: "type ipv6_addr; flags interval",
  translated4: "type ifname . ipv4_addr; flags interval",
  translated6: "type ifname . ipv6_addr; flags interval",
  icc4: "type ipv4_addr . ipv4_addr; flags interval",
  icc6: "type ipv6_addr . ipv6_addr; flags interval",
  internal4: "type ipv4_addr; flags interval",
  internal6: "type ipv6_addr; flags interval",
  self4: "type ipv4_addr . ipv4_addr",
  self6: "type ipv6_addr . ipv6_addr",
  raw4: "type mark : ipv4_addr",
  raw6: "type mark : ipv6_addr",
  own4: "type mark . ipv4_addr",
  own6: "type mark . ipv6_addr",
};
const sets = Object.keys(setTypes) as SetName[];
const keyword = (set: SetName): "map" | "set" => (set.startsWith("raw") ? "map" : "set");

const rules = (table: string): string => `
add chain inet ${table} output_source { type filter hook output priority raw; policy accept; }
add chain inet ${table} output { type filter hook output priority filter; policy accept; }
add chain inet ${table} input { type filter hook input priority filter; policy accept; }
add chain inet ${table} postrouting { type nat hook postrouting priority srcnat; policy accept; }
add rule inet ${table} output_source meta mark . ip saddr @own4 return comment "raw socket, own source"
add rule inet ${table} output_source meta mark . ip6 saddr @own6 return
add rule inet ${table} output_source ip saddr set meta mark map @raw4 comment "raw socket: a jail's source is its own"
add rule inet ${table} output_source ip6 saddr set meta mark map @raw6
add rule inet ${table} output ip saddr . ip daddr @self4 accept comment "a container reaches itself"
add rule inet ${table} output ip6 saddr . ip6 daddr @self6 accept
add rule inet ${table} output ip saddr . ip daddr @icc4 accept comment "within one network"
add rule inet ${table} output ip6 saddr . ip6 daddr @icc6 accept
add rule inet ${table} output ip saddr @networks4 ip daddr @networks4 reject with icmp admin-prohibited comment "networks are apart"
add rule inet ${table} output ip6 saddr @networks6 ip6 daddr @networks6 reject with icmpv6 admin-prohibited
add rule inet ${table} output ip saddr @internal4 reject with icmp admin-prohibited comment "no way out"
add rule inet ${table} output ip6 saddr @internal6 reject with icmpv6 admin-prohibited
add rule inet ${table} input iifname != "lo" ct state { established, related } accept
add rule inet ${table} input iifname != "lo" ip daddr @networks4 drop comment "from outside: replies only"
add rule inet ${table} input iifname != "lo" ip6 daddr @networks6 drop
add rule inet ${table} postrouting oifname . ip saddr @translated4 ip daddr != @networks4 masquerade
add rule inet ${table} postrouting oifname . ip6 saddr @translated6 ip6 daddr != @networks6 masquerade
`;

type Elements = Map<SetName, string[]>;

/** Replaces the table by one that holds the whole policy. One transaction. */
export function loadText(table: string, policy: Policy): string {
  const lines = [`add table inet ${table}`, `delete table inet ${table}`, `add table inet ${table}`];
  for (const set of sets) lines.push(`add ${keyword(set)} inet ${table} ${set} { ${setTypes[set]}; }`);
  return `${lines.join("\n")}${rules(table)}${elementText("add", table, elementsOf(policy.networks, policy.endpoints))}`;
}

/** Adds and removes elements. Empty when nothing changes. */
export function changeText(table: string, change: PolicyChange): string {
  const removed = elementsOf(change.remove?.networks ?? [], change.remove?.endpoints ?? []);
  const added = elementsOf(change.add?.networks ?? [], change.add?.endpoints ?? []);
  return (
    // `add` of what is there is no error and `delete` of what is missing is one: adding first makes removal idempotent.
    elementText("add", table, removed) + elementText("delete", table, removed) + elementText("add", table, added)
  );
}

export function unloadText(table: string): string {
  return `add table inet ${table}\ndelete table inet ${table}\n`;
}

function elementText(verb: "add" | "delete", table: string, elements: Elements): string {
  let lines = "";
  for (const [set, values] of elements) lines += `${verb} element inet ${table} ${set} { ${values.join(", ")} }\n`;
  return lines;
}

function elementsOf(networks: readonly PolicyNetwork[], endpoints: readonly PolicyEndpoint[]): Elements {
  const elements: Elements = new Map();
  const put = (set: SetName, value: string): void => {
    elements.set(set, [...(elements.get(set) ?? []), value]);
  };
  for (const { subnet, subnet6, nat, icc, internal } of networks) {
    for (const [family, cidr] of [
      [4, subnet],
      [6, subnet6],
    ] as const) {
      if (cidr === "") continue;
      put(`networks${family}`, cidr);
      if (nat !== "") put(`translated${family}`, `"${nat}" . ${cidr}`);
      if (icc) put(`icc${family}`, `${cidr} . ${cidr}`);
      if (internal) put(`internal${family}`, cidr);
    }
  }
  const primary = new Set<string>();
  for (const { containerId, ipv4, ipv6, icc, rawSockets } of endpoints) {
    for (const [family, address] of [
      [4, ipv4],
      [6, ipv6],
    ] as const) {
      if (address === "") continue;
      if (!icc) put(`self${family}`, `${address} . ${address}`);
      if (!rawSockets) continue;
      const mark = markOf(containerId);
      put(`own${family}`, `${mark} . ${address}`);
      // The first address of each family is the one that a packet of foreign source gets.
      if (!primary.has(`${mark}/${family}`)) put(`raw${family}`, `${mark} : ${address}`);
      primary.add(`${mark}/${family}`);
    }
  }
  return elements;
}
