/** Volumes on FreeBSD, as datasets. */
import { after } from "node:test";
import { needs } from "../support/gate.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { volumeCases } from "../support/volume-cases.ts";

const datasets = { zroot: "none", "zroot/ROOT": "none", "zroot/ROOT/default": "/" };
const host = new SimulatedHost({ ...ordinaryMachine, datasets });
after(() => host[Symbol.dispose]());
volumeCases(host, "with ZFS", needs("root", "busybox"));
