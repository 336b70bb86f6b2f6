/** The ends of `klee exec`: its terminal closes, its container is stopped. */
import { after, test } from "node:test";
import { tryExecDuringStop, tryHangUp } from "../support/exec-ends.ts";
import { before, needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

const gate = needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip", "busybox");
const machine = new Machine();
after(() => machine[Symbol.dispose]());

before(() => {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  machine.ok("image", "create", "dir", machine.folder("rootfs"), "-t", "box");
});

test("a terminal that closes ends the command at it", gate, () => tryHangUp(machine));

test("exec while the container is stopped is refused", gate, () => tryExecDuringStop(machine));
