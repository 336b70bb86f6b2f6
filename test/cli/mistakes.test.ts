/** What the original does wrong, or otherwise: on Linux. */
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { before, needs } from "../support/gate.ts";
import { tryCopies } from "../support/image-cases.ts";
import { GATEWAY6, Machine, OUTSIDE } from "../support/machine.ts";
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

const gate = needs("root", "cgroup2", "overlay", "libnftables", "busybox");
const machine = new Machine();
after(() => machine[Symbol.dispose]());
const trial = { klee: (args: readonly string[]) => machine.klee(args), directory: machine.directory, own6: GATEWAY6 };

before(() => {
  tryWithoutImage(trial, "host");
  const rootfs = machine.folder("rootfs");
  buildRoot(rootfs, ["sh", "true", "sleep", "pwd", "test"]);
  for (const name of ["root", "tmp"]) mkdirSync(join(rootfs, name), { recursive: true });
  mkdirSync(join(rootfs, "srv/web"), { recursive: true });
  appendFileSync(join(rootfs, "etc/passwd"), "web:x:80:80::/srv/web:/bin/sh\nlost:x:81:81::/nowhere:/bin/sh\n");
  machine.ok("image", "create", "dir", rootfs, "-t", "box");
});

test("the source of a mount is not there", gate, () => tryMissingSource(trial));
test("a port that nothing could be redirected from", gate, () => tryDeadPort(trial));
test("names like ids", gate, () => tryNamesLikeIds(trial));
test("network rm -f", gate, () => tryForcedRemoval(trial));
test("-n host, -n none", gate, () => tryPlaces(trial));
test("run --rm", gate, () => tryOutlived(trial));
test("run --rm that is given up", gate, () =>
  tryGivenUp({ ...trial, root: machine.root, startKlee: (args) => machine.startKlee(args) }),
);
test("a container is taken down once", gate, () => tryOneEnd(trial));
test("where commands start", gate, () => tryWorkingDirectory(trial));
test("image create --dns --localtime", gate, () =>
  tryCopies(machine, `nameserver ${OUTSIDE}\noptions timeout:2 attempts:2\n`),
);
