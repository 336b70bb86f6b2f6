import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { openNetfilter } from "../../../src/ffi/linux/netlink/socket.ts";
import { generation, NftablesError, openNft } from "../../../src/ffi/linux/nftables.ts";
import { FieldError } from "../../../src/ffi/struct.ts";
import { before, needs } from "../../support/gate.ts";
import { enterNetworkNamespace } from "../../support/namespaces.ts";

function nft(...args: string[]): string {
  return execFileSync("nft", args, { encoding: "utf8" });
}

const table = `table inet mine {
  set addresses { type ipv4_addr; elements = { 10.2.3.1, 10.2.3.2 }
  }
  chain input { type filter hook input priority filter; policy accept;
    ip saddr @addresses counter accept
  }
}
`;

describe("libnftables in a network namespace", needs("root", "libnftables", "nft"), () => {
  before(enterNetworkNamespace);

  test("a table is loaded, changed and listed as nft(8) sees it", () => {
    using library = openNft();
    assert.equal(library.run(table), "");
    assert.equal(library.run("list table inet mine"), nft("list", "table", "inet", "mine"));
    library.run("add element inet mine addresses { 10.2.3.9 }\ndelete element inet mine addresses { 10.2.3.1 }");
    assert.match(nft("list", "set", "inet", "mine", "addresses"), /elements = \{ 10\.2\.3\.2, 10\.2\.3\.9 \}/);
    assert.deepEqual(
      JSON.parse(library.run("list table inet mine", { json: true })),
      JSON.parse(nft("-j", "list", "table", "inet", "mine")),
    );
    assert.equal(library.run("list tables"), "table inet mine\n", "JSON is asked for each time anew");
    library.run("delete table inet mine");
    assert.equal(nft("list", "ruleset"), "");
  });

  test("a ruleset has another generation after each change, and the same after none", () => {
    using library = openNft();
    using socket = openNetfilter();
    const before = generation(socket);
    library.run("list tables");
    assert.equal(generation(socket), before);
    nft("add", "table", "inet", "another");
    const after = generation(socket);
    assert.notEqual(after, before);
    nft("delete", "table", "inet", "another");
    assert.notEqual(generation(socket), after);
  });

  test("a transaction with an error applies nothing", () => {
    using library = openNft();
    library.run(table);
    const loaded = nft("list", "ruleset");
    assert.throws(
      () => library.run("add element inet mine addresses { 10.2.3.77 }\ndelete table inet nobodys"),
      (error) =>
        error instanceof NftablesError &&
        error.message === "nft: Could not process rule: No such file or directory (in: delete table inet nobodys)",
    );
    assert.equal(nft("list", "ruleset"), loaded);
    library.run("delete table inet mine");
  });

  test("an error is one line in nft's own words, and does not stay for the next command", () => {
    using library = openNft();
    for (const [text, message] of [
      ["foo bar", /^nft: syntax error, unexpected newline[^\n]* \(in: foo bar\)$/],
      [`add table inet a\nnonsense ${"x".repeat(500)}\n`, /^nft: syntax error, [^\n]*\.\.\.\)$/],
      ["table inet y {\n chain z { type filter hook nowhere priority 0;\n }\n}", /^nft: unknown chain hook \(in: /],
    ] as const)
      assert.throws(() => library.run(text), { name: "NftablesError", message });
    assert.equal(library.run("list tables"), "");
    assert.throws(() => library.run("list tables\0"), FieldError);
  });

  test("a disposed context refuses to run", () => {
    const library = openNft();
    library[Symbol.dispose]();
    library[Symbol.dispose]();
    assert.throws(() => library.run("list tables"), /disposed/);
  });
});
