/** Standard streams of containers on Linux. */
import { after } from "node:test";
import { needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { streamCases } from "../support/stream-cases.ts";

const machine = new Machine();
after(() => machine[Symbol.dispose]());
streamCases(machine, needs("root", "cgroup2", "overlay", "libnftables", "busybox"), { names: true });
