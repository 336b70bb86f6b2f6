/** What the original does wrong, or otherwise: on a simulated FreeBSD. */

import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { tryCopies } from "../support/image-cases.ts";
import {
  tryDeadPort,
  tryForcedRemoval,
  tryGivenUp,
  tryMissingSource,
  tryNamesLikeIds,
  tryOneEnd,
  tryOutlived,
  tryPlaces,
  tryWithoutImage,
  tryWorkingDirectory,
} from "../support/mistake-cases.ts";
import { buildRoot } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";

const gate = needs("root", "busybox");
const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());
const trial = { klee: (args: readonly string[]) => host.klee(args), directory: host.directory, own6: "2001:db8::1" };

before(() => {
  tryWithoutImage(trial, "fetch");
  const rootfs = host.folder("rootfs");
  buildRoot(rootfs, ["sh", "true", "sleep", "pwd", "test"]);
  for (const name of ["root", "tmp"]) mkdirSync(join(rootfs, name), { recursive: true });
  mkdirSync(join(rootfs, "srv/web"), { recursive: true });
  appendFileSync(join(rootfs, "etc/passwd"), "web:x:80:80::/srv/web:/bin/sh\nlost:x:81:81::/nowhere:/bin/sh\n");
  host.klee(["image", "create", "dir", rootfs, "-t", "box"]);
});

test("the source of a mount is not there", gate, () => tryMissingSource(trial));
test("a port that nothing could be redirected from", gate, () => tryDeadPort(trial));
test("names like ids", gate, () => tryNamesLikeIds(trial));
test("network rm -f", gate, () => tryForcedRemoval(trial));
test("-n host, -n none", gate, () => tryPlaces(trial));
test("run --rm", gate, () => tryOutlived(trial));
test("run --rm that is given up", gate, () =>
  tryGivenUp({ ...trial, root: host.root, startKlee: (args) => host.startKlee(args) }),
);
test("a container is taken down once", gate, () => tryOneEnd(trial));
test("where commands start", gate, () => tryWorkingDirectory(trial));

test("an image of a system starts it, any other has a shell", gate, () => {
  const commandOf = (image: string): unknown => JSON.parse(host.klee(["isi", image]).stdout).cmd;
  assert.deepEqual(commandOf("box"), ["/bin/sh"]);
  const system = host.folder("system");
  buildRoot(system, ["sh", "true"]);
  writeFileSync(join(system, "etc/rc"), "true\n");
  for (const args of [
    ["image", "create", "dir", system, "-t", "system"],
    ["create", "--name", "vm", "system"],
  ])
    assert.equal(host.klee(args).status, 0);
  assert.deepEqual(commandOf("system"), ["/bin/sh", "/etc/rc"]);
  assert.deepEqual(JSON.parse(host.klee(["isc", "vm"]).stdout).container.cmd, ["/bin/sh", "/etc/rc"]);
});
test("image create --dns --localtime", gate, () => tryCopies(host, readFileSync("/etc/resolv.conf", "utf8")));
