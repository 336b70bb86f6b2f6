/** Volumes on Linux. */
import { after } from "node:test";
import { needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { volumeCases } from "../support/volume-cases.ts";

const machine = new Machine();
after(() => machine[Symbol.dispose]());
volumeCases(machine, "as directories", needs("root", "cgroup2", "overlay", "libnftables", "busybox"));
