/** Volumes on FreeBSD, as directories. */
import { after } from "node:test";
import { needs } from "../support/gate.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { volumeCases } from "../support/volume-cases.ts";

const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());
volumeCases(host, "with directories", needs("root", "busybox"));
