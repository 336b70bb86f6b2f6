/** Where store, kernel and files do not agree, on FreeBSD. */
import { after } from "node:test";
import { needs } from "../support/gate.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { strayCases } from "../support/stray-cases.ts";

const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());
strayCases(host, needs("root", "busybox"));
