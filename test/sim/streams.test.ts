/** Standard streams of containers on FreeBSD. */
import { after } from "node:test";
import { needs } from "../support/gate.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { streamCases } from "../support/stream-cases.ts";

const host = new SimulatedHost(ordinaryMachine);
after(() => host[Symbol.dispose]());
streamCases(host, needs("root", "busybox"), { names: false });
