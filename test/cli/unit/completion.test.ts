import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeCli, klee, type Parts } from "./fake.ts";
import { data, freebsd, listings, testnet } from "./samples.ts";

const domain: Parts = {
  containers: { list: async () => listings },
  networks: { list: async () => [testnet] },
  volumes: { list: async () => [data] },
  images: { list: async () => [freebsd, { ...freebsd, id: "22370bfb4a88", name: "", tag: "" }] },
};

/** The words offered at the end of a command line. */
async function offered(line: string): Promise<string[]> {
  const { status, stdout, stderr } = await klee(domain, ["__complete", "--", ...line.split(" ")]);
  assert.deepEqual([status, stderr], [0, ""]);
  return stdout
    .split("\n")
    .slice(0, -1)
    .map((row) => row.split("\t")[0] ?? "");
}

const lines: readonly (readonly [line: string, words: readonly string[]])[] = [
  ["net", ["network"]],
  ["network ", ["create", "inspect", "ls", "rm", "prune", "connect", "disconnect", "rules", "graph"]],
  ["system ", ["check", "reconcile", "cleanup", "events"]],
  ["network inspect ", ["testnet"]],
  ["network graph ", ["testnet"]],
  ["network graph --format ", ["tree", "dot", "svg", "mermaid"]],
  ["container exec h", ["hungry_knuth"]],
  ["exec hungry_knuth ", []],
  ["exec hungry_knuth -", []],
  ["rmc hungry_knuth s", ["strange_moser"]],
  ["container rename hungry_knuth ", []],
  ["inspect ", ["hungry_knuth", "strange_moser", "FreeBSD:latest", "22370bfb4a88", "testnet", "data"]],
  ["volume rm ", ["data"]],
  ["rmv d", ["data"]],
  ["run ", ["FreeBSD:latest", "22370bfb4a88"]],
  ["run -n ", ["testnet"]],
  ["run -itn t", ["testnet"]],
  ["run --network ", ["testnet"]],
  ["run --network testnet F", ["FreeBSD:latest"]],
  ["run -l ", ["ipnet", "host", "disabled"]],
  ["run --rm F", ["FreeBSD:latest"]],
  ["network create --nat ", ["true", "false"]],
  ["network create --i", ["--interface", "--ip-range", "--icc", "--internal"]],
  ["lsc --format ", ["table", "json"]],
  ["image create ", ["host", "tar", "dir", "zfs-copy", "zfs-clone", "fetch", "fetch-auto"]],
  ["image create tar ", []],
  ["completion ", ["bash", "zsh", "fish"]],
  ["--root /r lsn -", ["--format", "--quiet", "--no-trunc", "--help"]],
];

for (const [line, words] of lines) {
  test(`klee ${line}<TAB>`, async () => {
    assert.deepEqual(await offered(line), words);
  });
}

test("names are asked for only where one is due, and a failure to list them is silent", async () => {
  const cli = new FakeCli(domain);
  await cli.run("__complete", "--", "network", "");
  assert.deepEqual(cli.opened, []);
  assert.deepEqual(await klee({}, ["__complete", "--", "isc", ""]), { status: 0, stdout: "", stderr: "" });
});

test("completion prints a script that calls klee back", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const cli = new FakeCli();
    const { status, stdout } = await cli.run("completion", shell);
    assert.equal(status, 0);
    assert.match(stdout, / __complete -- /);
    assert.deepEqual(cli.opened, []);
  }
  assert.equal((await klee({}, ["completion", "csh"])).status, 2);
});
