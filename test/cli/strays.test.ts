/** Where store, kernel and files do not agree, on Linux. */
import { after } from "node:test";
import { needs } from "../support/gate.ts";
import { Machine } from "../support/machine.ts";
import { strayCases } from "../support/stray-cases.ts";

const machine = new Machine();
after(() => machine[Symbol.dispose]());
strayCases(machine, needs("root", "cgroup2", "overlay", "libnftables", "busybox"));
