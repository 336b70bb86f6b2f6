import { after } from "node:test";
import { FreebsdHost } from "../../src/kleene/host/freebsd/host.ts";
import { holdProgram, testRoom } from "../store/room-cases.ts";
import { Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ real: false });
after(() => simulator[Symbol.dispose]());
simulator.use();
testRoom(
  ["bytes", "bytes of a disk", "inodes of a disk"],
  new FreebsdHost("/nowhere"),
  holdProgram,
  simulator.environment,
);
