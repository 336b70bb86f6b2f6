import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { before, describe, test } from "node:test";
import { openNetfilter } from "../../../src/ffi/linux/netlink/socket.ts";
import { openNft } from "../../../src/ffi/linux/nftables.ts";
import { changeElements } from "../../../src/ffi/linux/set-elements.ts";
import { encodeChange } from "../../../src/kleene/host/linux/element-bytes.ts";
import { declarations, type Elements, elementText, type SetName } from "../../../src/kleene/host/linux/elements.ts";
import { frameText } from "../../../src/kleene/host/linux/ruleset.ts";
import { needs } from "../../support/gate.ts";
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

/** Each set without intervals, with the one element that the words make. */
const hashes = declarations.flatMap(([name, , body]): (readonly [SetName, string])[] => {
  const [, type = "", flags] = /type (.*?);( flags interval;)?/.exec(body) ?? [];
  return flags === undefined ? [[name, type.replace(/[a-z]\w+/g, (word) => words[word] ?? word)]] : [];
});

describe("elements as klee encodes them, beside nft's", needs("root", "libnftables", "nft"), () => {
  before(enterNetworkNamespace);
  const list = (table: string): string =>
    execFileSync("nft", ["list", "table", "inet", table], { encoding: "utf8" }).replace(`table inet ${table}`, "");

  test("the kernel holds the same, for every set; and nothing after the deletion", () => {
    assert.equal(hashes.length, 16);
    const elements: Elements = new Map(hashes.map(([name, text]) => [name, new Set([text])]));
    using nft = openNft();
    using socket = openNetfilter();
    for (const table of ["ours", "theirs"]) nft.run(frameText(table));
    const empty = list("ours");
    for (const verb of ["add", "delete"] as const) {
      const encoded = encodeChange(verb, elements);
      assert(encoded !== undefined);
      changeElements(socket, "ours", encoded);
      nft.run(elementText(verb, "theirs", elements));
      assert.equal(list("ours"), list("theirs"));
      assert.equal(list("ours") === empty, verb === "delete");
    }
  });

  test("sets of intervals are left to nft", () => {
    assert.equal(encodeChange("add", new Map([["networks4", new Set(["10.0.0.0/8"])]])), undefined);
  });
});
