import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  ConnectContainer,
  ContainerInspection,
  CreateContainer,
  CreateImage,
  CreateNetwork,
  Image,
  Network,
  NetworkRules,
  PublishedPort,
} from "../../../src/kleene/model.ts";
import { FakeCli, FakeExecution, klee, type Outcome, recorder } from "./fake.ts";
import { freebsd, hungryKnuth, testnet } from "./samples.ts";

function given(request: object | undefined): object {
  return Object.fromEntries(Object.entries(request ?? {}).filter(([, value]) => value !== undefined));
}

async function network(...argv: readonly string[]): Promise<Outcome & { request: object }> {
  const { calls, record } = recorder<[CreateNetwork], Network>(testnet);
  const outcome = await klee({ networks: { create: record } }, ["network", "create", ...argv]);
  return { ...outcome, request: given(calls[0]?.[0]) };
}

async function container(...argv: readonly string[]): Promise<Outcome & { request: object }> {
  const { calls, record } = recorder<[CreateContainer], typeof hungryKnuth>(hungryKnuth);
  const start = async () => new FakeExecution({ status: 0, containerEnded: true });
  const outcome = await klee({ containers: { create: record, start } }, argv);
  return { ...outcome, request: given(calls[0]?.[0]) };
}

async function exec(...argv: readonly string[]): Promise<{ reference: string; request: object }> {
  const calls: { reference: string; request: object }[] = [];
  const outcome = await klee(
    {
      containers: {
        exec: async (reference, { stdio: _stdio, onWarning: _onWarning, onCreated: _onCreated, ...request }) => {
          calls.push({ reference, request: given(request) });
          return new FakeExecution({ status: 0, containerEnded: false });
        },
      },
    },
    ["exec", ...argv],
  );
  assert.equal(outcome.status, 0, outcome.stderr);
  return calls[0] ?? { reference: "", request: {} };
}

test("network create prints the id; what is not given is left to the domain", async () => {
  const { stdout, request } = await network("--subnet", "10.2.3.0/24", "testnet");
  assert.equal(stdout, "6b933304be4a\n");
  assert.deepEqual(request, { name: "testnet", subnet: "10.2.3.0/24" });
});

test("network create takes all its options, before or after the name", async () => {
  const { request } = await network(
    ...["-t", "loopback", "-i", "web0", "n", "--subnet=10.0.0.0/8", "--subnet6", "fd00::/64"],
    ...["--nat", "yes", "--nat-if", "em0", "--icc=off", "--internal"],
  );
  assert.deepEqual(request, {
    name: "n",
    type: "loopback",
    interface: "web0",
    subnet: "10.0.0.0/8",
    subnet6: "fd00::/64",
    nat: true,
    natInterface: "em0",
    icc: false,
    internal: true,
  });
});

test("network create: the gateway of a bridge", async () => {
  const { request } = await network("-t", "bridge", "--gw", "10.0.0.9", "--gw6=", "n");
  assert.deepEqual(request, { name: "n", type: "bridge", gateway: "10.0.0.9", gateway6: "" });
});

test("-p may be given several times", async () => {
  const { request } = await container("create", "-p", "8080:80", "--publish", "em0:53:53/udp", "image");
  assert.deepEqual(request, { image: "image", command: [], publish: ["8080:80", "em0:53:53/udp"] });
});

test("connect and disconnect print nothing", async () => {
  const connect = recorder<[string, string, ConnectContainer], void>(undefined);
  const disconnect = recorder<[string, string], void>(undefined);
  const networks = { connect: connect.record, disconnect: disconnect.record };
  const connected = await klee({ networks }, ["network", "connect", "--ip", "10.2.3.50", "testnet", "web"]);
  assert.deepEqual(connected, { status: 0, stdout: "", stderr: "" });
  assert.deepEqual(connect.calls, [["testnet", "web", { ip: "10.2.3.50" }]]);
  const disconnected = await klee({ networks }, ["network", "disconnect", "testnet", "web"]);
  assert.deepEqual(disconnected, { status: 0, stdout: "", stderr: "" });
  assert.deepEqual(disconnect.calls, [["testnet", "web"]]);
});

test("network rules prints the host's text, or the model as JSON", async () => {
  const policy = { networks: [], endpoints: [], pairs: [], ports: [], withdrawn: [] };
  const rules = recorder<[string | undefined], NetworkRules>({ policy, text: "table inet klee\n" });
  const networks = { rules: rules.record };
  assert.equal((await klee({ networks }, ["network", "rules"])).stdout, "table inet klee\n");
  const json = await klee({ networks }, ["network", "rules", "--format", "json", "testnet"]);
  assert.deepEqual(JSON.parse(json.stdout), policy);
  assert.deepEqual(rules.calls, [[undefined], ["testnet"]]);
  assert.equal((await klee({ networks }, ["network", "rules", "--format", "xml"])).status, 2);
});

const published: PublishedPort = {
  container_port: "90-92",
  host_address: "2001:db8::2",
  host_port: "8000-8002",
  interfaces: [],
  ip_address: "",
  ip_address6: "fd00::1",
  protocol: "udp",
};
const onInterface = {
  ...published,
  container_port: "80",
  host_address: "",
  host_port: "8080",
  protocol: "tcp",
} as const;

test("container port: all, one of a range, none", async () => {
  const ports = [published, { ...onInterface, interfaces: ["em0"] }];
  const inspect = async (): Promise<ContainerInspection> => ({
    container: { ...hungryKnuth, public_ports: ports },
    container_endpoints: [],
    container_mountpoints: [],
  });
  const port = (...args: readonly string[]): ReturnType<typeof klee> =>
    klee({ containers: { inspect } }, ["container", "port", "web", ...args]);
  assert.equal((await port()).stdout, "90-92/udp -> [2001:db8::2]:8000-8002\n80/tcp -> em0:8080\n");
  assert.equal((await port("91/udp")).stdout, "90-92/udp -> [2001:db8::2]:8000-8002\n");
  assert.equal((await port("80")).stdout, "80/tcp -> em0:8080\n");
  assert.deepEqual(JSON.parse((await port("--format", "json")).stdout), ports);
  const none = await port("91");
  assert.deepEqual([none.status, none.stdout], [1, ""]);
  assert.match(none.stderr, /^klee: no published port 91 of container hungry_knuth\n$/);
  assert.equal((await port("http")).status, 2);
});

for (const [word, value] of Object.entries({
  true: true,
  yes: true,
  on: true,
  1: true,
  false: false,
  NO: false,
  off: false,
  0: false,
})) {
  test(`--nat=${word} is ${value}`, async () => {
    assert.deepEqual((await network(`--nat=${word}`, "n")).request, { name: "n", nat: value });
  });
}

test("--no-nat is --nat=false", async () => {
  assert.deepEqual((await network("--no-nat", "n")).request, { name: "n", nat: false });
});

test("another BOOL is a usage error", async () => {
  const { status, stderr, request } = await network("--icc=maybe", "n");
  assert.equal(status, 2);
  assert.equal(
    stderr,
    "klee: option '--icc <bool>' argument 'maybe' is invalid. Give true or false. (see 'klee network create --help')\n",
  );
  assert.deepEqual(request, {});
});

test("container create takes all its options", async () => {
  const { stdout, request } = await container(
    ...["create", "-u", "www", "-e", "A=1", "--env", "B=x y", "-m", "/src:/dst:ro", "-J", "allow.raw_sockets"],
    ...[
      "-J",
      "persist",
      "-P",
      "-l",
      "ipnet",
      "-n",
      "testnet",
      "--ip",
      "10.2.3.9",
      "--ip6",
      "",
      "--name",
      "web",
      "FreeBSD",
    ],
    ...["nc", "-l", "4000"],
  );
  assert.equal(stdout, "f455de07ac84\n");
  assert.deepEqual(request, {
    image: "FreeBSD",
    command: ["nc", "-l", "4000"],
    user: "www",
    env: ["A=1", "B=x y"],
    mounts: ["/src:/dst:ro"],
    jailParams: ["allow.raw_sockets", "persist"],
    persist: true,
    driver: "ipnet",
    network: "testnet",
    ip: "10.2.3.9",
    ip6: "",
    name: "web",
  });
});

test("options end at the first operand", async () => {
  assert.deepEqual((await container("run", "FreeBSD", "nc", "-l", "4000")).request, {
    image: "FreeBSD",
    command: ["nc", "-l", "4000"],
  });
  assert.deepEqual((await container("container", "run", "-n", "a", "FreeBSD", "-n", "--help", "--")).request, {
    image: "FreeBSD",
    network: "a",
    command: ["-n", "--help", "--"],
  });
  assert.deepEqual(await exec("c1", "ls", "-t", "/"), { reference: "c1", request: { command: ["ls", "-t", "/"] } });
  assert.deepEqual(await exec("c1", "env", "-u", "FOO"), {
    reference: "c1",
    request: { command: ["env", "-u", "FOO"] },
  });
  assert.deepEqual(await exec("-u", "www", "c1"), { reference: "c1", request: { command: [], user: "www" } });
});

test("a -- before the command is dropped, one inside it is not", async () => {
  assert.deepEqual(await exec("c1", "--", "ls", "--", "-l"), {
    reference: "c1",
    request: { command: ["ls", "--", "-l"] },
  });
  assert.deepEqual(await exec("--", "c1", "ls", "-t"), { reference: "c1", request: { command: ["ls", "-t"] } });
});

test("image create", async () => {
  const { calls, record } = recorder<[CreateImage], Image>(freebsd);
  const create = (...argv: string[]) => klee({ images: { create: record } }, ["image", "create", ...argv]);
  assert.equal((await create("host", "-t", "FreeBSD")).stdout, "11370bfb4a88\n");
  await create("tar", "base.txz");
  assert.deepEqual(
    calls.map(([request]) => given(request)),
    [
      { method: "host", tag: "FreeBSD", localtime: true },
      { method: "tar", source: "base.txz", localtime: true },
    ],
  );
  const missing = await create("dir");
  assert.equal(missing.status, 2);
  assert.match(
    missing.stderr,
    /^klee: The SOURCE argument is needed when creating images using the 'dir' method\. \(see [^\n]+\n$/,
  );
  assert.equal((await create("nosuch", "x")).status, 2);
  assert.equal(calls.length, 2);
  await create("fetch-auto", "http://mirror", "-a", "--no-dns", "--no-localtime");
  assert.deepEqual(given(calls[2]?.[0] ?? {}), {
    method: "fetch-auto",
    source: "http://mirror",
    autotag: true,
    dns: false,
    localtime: false,
  });
});

test("--root goes before KLEE_ROOT", async () => {
  const system = { reconcile: async () => [] };
  for (const [argv, environment, root] of [
    [[], {}, undefined],
    [[], { KLEE_ROOT: "" }, undefined],
    [[], { KLEE_ROOT: "/a" }, "/a"],
    [["--root", "/b"], { KLEE_ROOT: "/a" }, "/b"],
  ] as const) {
    const cli = new FakeCli({ system }, { environment });
    await cli.run(...argv, "system", "reconcile");
    assert.deepEqual(cli.opened, [root]);
    assert.equal(cli.closed, 1);
  }
});

test("shortcuts are the same commands", async () => {
  const rename = async () => ({ ...hungryKnuth, name: "b" });
  assert.equal((await klee({ containers: { rename } }, ["container", "rename", "a", "b"])).stdout, "f455de07ac84\n");
  const remove = async (reference: string) => `${reference}-id`;
  for (const [noun, shortcut] of [
    ["network", "rmn"],
    ["image", "rmi"],
    ["container", "rmc"],
  ] as const) {
    const parts = { [`${noun}s`]: { remove } };
    assert.equal((await klee(parts, [noun, "rm", "a", "b"])).stdout, "a-id\nb-id\n");
    assert.equal((await klee(parts, [shortcut, "a", "b"])).stdout, "a-id\nb-id\n");
  }
});
