import * as pf from "../../../ffi/freebsd/pf/index.ts";

const protocols: Readonly<Record<number, string>> = {
  [pf.IPPROTO_TCP]: "tcp",
  [pf.IPPROTO_UDP]: "udp",
  [pf.IPPROTO_ICMPV6]: "ipv6-icmp",
};
/** TCP flags in the order in which pfctl(8) prints them, with their letters. */
const flagLetters: readonly (readonly [number, string])[] = [
  [pf.TH_SYN, "S"],
  [pf.TH_ACK, "A"],
];

function addressText(address: pf.PfAddress | undefined): string {
  if (address === undefined) return "any";
  if ("table" in address) return `<${address.table}>`;
  return "interface" in address ? `(${address.interface})` : address.network;
}

const portsText = ({ first, last }: pf.PfPorts): string => (first === last ? `${first}` : `${first}:${last}`);

function endText({ address, not, ports }: pf.PfEnd = {}): string {
  const port = ports === undefined ? "" : ` port ${portsText(ports)}`;
  return `${not ? "! " : ""}${addressText(address)}${port}`;
}

const flagsText = (flags: number): string =>
  flagLetters
    .filter(([flag]) => (flags & flag) !== 0)
    .map(([, letter]) => letter)
    .join("");

const answers = { none: "drop", return: "return", prohibited: "return-icmp(admin-unr, admin-unr)" } as const;

function actionText({ action, anchorCall, answer }: pf.PfRule): string {
  if (anchorCall !== undefined) return `${action === "pass" ? "" : `${action}-`}anchor "${anchorCall}"`;
  return action === "block" ? `block ${answers[answer ?? "none"]}` : action;
}

/** What follows the addresses: state, marks, label and target. */
function tailText(rule: pf.PfRule): (string | false | undefined)[] {
  const { flags, label, tag, tagged, target } = rule;
  const stateless = rule.action === "pass" && rule.anchorCall === undefined && !rule.keepState;
  return [
    rule.icmpType !== undefined && `icmp6-type ${rule.icmpType}`,
    flags && `flags ${flagsText(flags.set)}/${flagsText(flags.of)}`,
    rule.keepState && "keep state",
    stateless && "no state",
    tag && `tag ${tag}`,
    tagged && `tagged ${tagged}`,
    label && `label "${label}"`,
    target && `-> ${addressText(target.address)}`,
    target?.ports && `port ${portsText(target.ports)}`,
  ];
}

/** A rule in the words of pf.conf(5). */
export function ruleText(rule: pf.PfRule): string {
  const { family, protocol, source, destination } = rule;
  const everything = source === undefined && destination === undefined;
  const parts = [
    actionText(rule),
    rule.direction,
    rule.log && "log",
    rule.quick && "quick",
    rule.interface && `on ${rule.notInterface ? "! " : ""}${rule.interface}`,
    family && (family === 6 ? "inet6" : "inet"),
    protocol !== undefined && `proto ${protocols[protocol] ?? protocol}`,
    !everything && `from ${endText(source)} to ${endText(destination)}`,
    everything && rule.anchorCall === undefined && "all",
    ...tailText(rule),
  ];
  return parts.filter((part) => typeof part === "string" && part !== "").join(" ");
}

/** An anchor's tables and rules as pf.conf(5) text, fit for `pfctl -a ANCHOR -f -`. */
export function anchorText({ rules = {}, tables = {} }: pf.PfAnchor): string {
  const lines = [
    ...Object.entries(tables).map(([name, addresses]) => {
      const list = addresses.length > 0 ? ` { ${addresses.join(", ")} }` : "";
      return `table <${name}> persist${list}`;
    }),
    ...(["nat", "rdr", "filter"] as const).flatMap((ruleset) => (rules[ruleset] ?? []).map(ruleText)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
