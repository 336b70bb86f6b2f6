import { after } from "node:test";
import { FreebsdStorage } from "../../src/kleene/host/freebsd/storage.ts";
import { testSources } from "../image/source-cases.ts";
import { Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ real: false });
after(() => simulator[Symbol.dispose]());
simulator.use();
testSources(new FreebsdStorage(), false);
