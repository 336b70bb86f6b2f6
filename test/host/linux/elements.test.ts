import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { type NetlinkSocket, openNetfilter } from "../../../src/ffi/linux/netlink/socket.ts";
import { type Nft, openNft } from "../../../src/ffi/linux/nftables.ts";
import { changeElements } from "../../../src/ffi/linux/set-elements.ts";
import { encodeChange } from "../../../src/kleene/host/linux/element-bytes.ts";
import { declarations, type Elements, elementText, type SetName } from "../../../src/kleene/host/linux/elements.ts";
import { frameText } from "../../../src/kleene/host/linux/ruleset.ts";
import { before, needs } from "../../support/gate.ts";
import { enterNetworkNamespace } from "../../support/namespaces.ts";

/** A word for each type of which elements are made. */
const words: Readonly<Record<string, string>> = {
  ifname: '"enp0s3.100"',
  inet_proto: "udp",
  inet_service: "40053",
  mark: "4026531839",
  ipv4_addr: "10.2.3.254",
  ipv6_addr: "fd00:2:3::fe",
};

/** Of sets of intervals: several that touch, the first and the last of all, a single address, one that holds no other. */
const subnets: Readonly<Record<string, readonly string[]>> = {
  ipv4_addr: [
    "10.2.3.0/24",
    "10.2.4.0/24",
    "10.2.5.0/30",
    "0.0.0.0/8",
    "255.255.255.0/24",
    "192.0.2.7",
    "172.16.0.0/12",
  ],
  ipv6_addr: ["fd00:2:3::/64", "fd00:2:4::/64", "::/16", "ffff::/16", "2001:db8::7", "fd00:7::/33", "fd00:8::/127"],
};

/** For each set elements that the words make, in the order in which nft lists them. */
const elements: Elements = new Map(
  declarations.map(([name, , body]): [SetName, Set<string>] => {
    const [, type = "", flags] = /type (.*?);( flags interval;)?/.exec(body) ?? [];
    const choices = Object.values(subnets)[name.endsWith("4") ? 0 : 1] ?? [];
    const of = (subnet: string): string =>
      type.replace(/[a-z]\w+/g, (word) => (word in subnets ? subnet : (words[word] ?? word)));
    const element = type.replace(/[a-z]\w+/g, (word) => words[word] ?? word);
    return [name, new Set(flags === undefined ? [element] : choices.map(of))];
  }),
);

describe("elements as klee encodes them, beside nft's", needs("root", "libnftables", "nft"), () => {
  before(enterNetworkNamespace);
  const list = (table: string): string =>
    execFileSync("nft", ["list", "table", "inet", table], { encoding: "utf8" }).replace(`table inet ${table}`, "");

  /** One table changed by each of the two. */
  const both = (socket: NetlinkSocket, nft: Nft, verb: "add" | "delete", some: Elements): void => {
    changeElements(socket, "ours", encodeChange(verb, some));
    nft.run(elementText(verb, "theirs", some));
    assert.equal(list("ours"), list("theirs"));
  };

  test("the kernel holds the same, for every set; and nothing after the deletion", () => {
    assert.equal(elements.size, declarations.length);
    using nft = openNft();
    using socket = openNetfilter();
    for (const table of ["ours", "theirs"]) nft.run(frameText(table));
    const empty = list("ours");
    both(socket, nft, "add", elements);
    assert.match(list("ours"), /10\.2\.4\.0\/24/);
    // What is there already is no error.
    both(socket, nft, "add", elements);
    both(socket, nft, "delete", elements);
    assert.equal(list("ours"), empty);
  });

  test("one after the other, each is added to what nft loaded, and taken from it", () => {
    using nft = openNft();
    using socket = openNetfilter();
    for (const table of ["ours", "theirs"]) nft.run(frameText(table) + elementText("add", table, elements));
    for (const [set, texts] of elements)
      for (const text of texts)
        for (const verb of ["delete", "add"] as const) both(socket, nft, verb, new Map([[set, new Set([text])]]));
  });
});
