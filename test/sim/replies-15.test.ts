/** What a FreeBSD 15.1 kernel answered, beside what the simulated one answers to the same calls in the same order. */
import assert from "node:assert/strict";
import { after, type TestContext, test } from "node:test";
import { pf } from "../../src/ffi/freebsd/index.ts";
import { openLibrary } from "../../src/ffi/library.ts";
import { recordedMachine } from "../support/simulated-machine.ts";
import { SIMULATOR, Simulator } from "../support/simulator.ts";
import { countedParts, differences, notCompared } from "./compare-15.ts";
import { nameOf, Player, type RecordedCall, readRecord } from "./record.ts";
import { Supervisors } from "./supervisors-15.ts";

/** One system, on which both records were made, the second one after the first. */
const simulator = new Simulator(recordedMachine);
after(() => simulator[Symbol.dispose]());
simulator.use();

function report(t: TestContext, calls: readonly RecordedCall[], wrong: readonly string[], what: string): void {
  let excused = 0;
  for (const { what, is } of notCompared) {
    const count = calls.filter((call) => is(call, nameOf(call))).length;
    excused += count;
    if (count > 0) t.diagnostic(`by result and errno alone: ${what} (${count})`);
  }
  for (const [request, parts] of countedParts) {
    const count = calls.filter(({ args }) => args[1] === request).length;
    if (count > 0) t.diagnostic(`without ${parts.join(", ")}: ioctl 0x${Number(request).toString(16)} (${count})`);
  }
  const played = `replayed ${calls.length - wrong.length} of ${calls.length} calls of 15.1, ${what}`;
  t.diagnostic(`${played}; ${excused} of them by result and errno alone`);
  assert.deepEqual(wrong, []);
}

test("the simulator answers the calls of the bindings as the recorded 15.1 kernel did", (t) => {
  const calls = readRecord("15.1-bindings.jsonl.gz");
  report(t, calls, differences(calls, new Player()), "of the bindings");
});

test("the simulator answers the calls of klee's commands as the recorded 15.1 kernel did", (t) => {
  const calls = readRecord("15.1-commands.jsonl.gz");
  // What was done between the two records: pf has freed what the first one left, and pf.conf(5) was loaded.
  openLibrary("freebsd-sim", [SIMULATOR]).func("int sim_pf_purge()")();
  const passAll: pf.PfRule = { action: "pass", keepState: true, flags: { set: pf.TH_SYN, of: pf.TH_SYN | pf.TH_ACK } };
  pf.withPf((device) => pf.replaceAnchors(device, [{ anchor: "", rules: { nat: [], rdr: [], filter: [passAll] } }]));
  const supervisors = new Supervisors(calls);
  report(
    t,
    calls,
    differences(calls, new Player(), (number) => supervisors.act(number)),
    "of klee's commands",
  );
});
