import { strict as assert } from "node:assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";

const gate = needs("root", "cgroup2", "libnftables", "overlay", "ip", "dot", "xmllint");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

before(() => {
  machine.ok("image", "create", "dir", machine.folder("empty"), "-t", "base");
  machine.ok("network", "create", "--subnet", "10.2.3.0/24", "--subnet6", "fd00:2:3::/64", "testnet");
  machine.ok("network", "create", "-t", "bridge", "--subnet", "10.2.5.0/24", "--internal", "--icc=no", "back");
  machine.ok(
    "create",
    "-n",
    "testnet",
    "--name",
    "web",
    "--ip",
    "10.2.3.20",
    "-p",
    "8080:80",
    "-p",
    "5300:53/udp",
    "base",
  );
  machine.ok("create", "-n", "testnet", "--name", "db", "--ip6", "", "-p", "127.0.0.1:5432:5432", "base");
  machine.ok("network", "connect", "back", "web");
  machine.ok("create", "-l", "host", "--name", "elsewhere", "base");
});

test("a tree: networks by name, containers by address, ports below them", gate, () => {
  assert.equal(
    machine.ok("network", "graph"),
    `back  10.2.5.0/24  kleene1: bridge, gateway 10.2.5.1, internal, containers apart
└── web  10.2.5.2  stopped, also in testnet

testnet  10.2.3.0/24 fd00:2:3::/64  kleene0: loopback, NAT on em0
├── db   10.2.3.1               stopped
│   └── 127.0.0.1:5432 -> 5432/tcp
└── web  10.2.3.20 fd00:2:3::1  stopped, also in back
    ├── em0:8080 -> 80/tcp
    └── em0:5300 -> 53/udp
`,
  );
});

test("of the networks named alone, each once", gate, () => {
  const id = JSON.parse(machine.ok("isn", "back")).network.id;
  assert.equal(
    machine.ok("network", "graph", "back", id),
    `back  10.2.5.0/24  kleene1: bridge, gateway 10.2.5.1, internal, containers apart
└── web  10.2.5.2  stopped
`,
  );
  const { status, stdout, stderr } = machine.klee(["network", "graph", "nosuch"]);
  assert.deepEqual([status, stdout, stderr], [1, "", "klee: network not found: nosuch\n"]);
});

test("Graphviz draws the dot format, and an XML parser takes the image", gate, () => {
  const file = (name: string, text: string): string => {
    const path = join(machine.directory, name);
    writeFileSync(path, text);
    return path;
  };
  const drawn = machine.run("dot", "-Tsvg", file("graph.dot", machine.ok("network", "graph", "--format", "dot")));
  for (const word of ["testnet", "kleene0", "web", "10.2.3.20", "127.0.0.1:5432"]) assert(drawn.includes(word), word);
  const image = file("graph.svg", machine.ok("network", "graph", "--format", "svg"));
  machine.run("xmllint", "--noout", "--nonet", image);
  assert.equal(machine.run("xmllint", "--xpath", "count(//*[local-name()='circle'])", image).trim(), "3");
});
