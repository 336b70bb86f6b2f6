/** What a FreeBSD 15.1 kernel answered, beside what the simulated one answers to the same calls in the same order. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import { Simulator } from "../support/simulator.ts";
import { nameOf, Player, type RecordedCall, readRecord } from "./record.ts";

const simulator = new Simulator({
  ...ordinaryMachine,
  release: 15,
  hostname: "fb15",
  directories: ["/var/base/dev"],
  real: false,
  modules: ["if_bridge", "if_epair", "nullfs", "pf", "zfs"],
});
after(() => simulator[Symbol.dispose]());
simulator.use();

const DIOCGETSTATES = 0xc0104419;
const DIOCGETSTATUSNV = 0xc0184415;
const mibOf = ({ args }: RecordedCall): string => (typeof args[0] === "string" ? args[0] : "");

/** Calls whose answer is time, chance, or another machine's: they are made, and what they give is not compared. */
const leftOut: readonly { readonly what: string; readonly is: (call: RecordedCall, name: string) => boolean }[] = [
  {
    what: "getifaddrs, freeifaddrs: a list in memory of the process",
    is: (_, name) => /^(get|free)ifaddrs$/.test(name),
  },
  {
    what: "sysctl net.route: another machine's routes",
    is: (call, name) => name === "sysctl" && mibOf(call).startsWith("0400000011000000"),
  },
  {
    what: "sysctl kern.proc: another machine's processes",
    is: (call, name) => name === "sysctl" && mibOf(call).startsWith("010000000e000000"),
  },
  {
    what: "sysctlbyname kern.boottime: a time",
    is: ({ args }, name) => name === "sysctlbyname" && args[0] === "kern.boottime",
  },
  { what: "DIOCGETSTATUSNV: counters and times", is: ({ args }) => args[1] === DIOCGETSTATUSNV },
  { what: "DIOCGETSTATES: the recorder's own connections", is: ({ args }) => args[1] === DIOCGETSTATES },
  { what: "statfs, getfsstat: another machine's file systems", is: (_, name) => /^(statfs|getfsstat)$/.test(name) },
  { what: "modfind: numbers by the order of loading", is: ({ result }, name) => name === "modfind" && result !== -1 },
];

/** What differs between a recorded call and this one; empty when nothing does. */
function difference(call: RecordedCall, player: Player): string {
  const { result, errno, buffers } = player.play(call);
  if (leftOut.some(({ is }) => is(call, nameOf(call)))) return "";
  if (call.result !== undefined && result !== call.result) return `result ${result}, not ${call.result}`;
  if (call.result === -1 && errno !== call.errno) return `errno ${errno}, not ${call.errno}`;
  for (const [index, buffer] of buffers.entries()) {
    if (buffer === undefined) continue;
    const expected = call.after[index] ?? call.args[index];
    if (buffer.toString("hex") !== expected) return `argument ${index}: ${buffer.toString("hex")}, not ${expected}`;
  }
  return "";
}

test("the simulator answers the calls of the bindings as the recorded 15.1 kernel did", (t) => {
  const calls = readRecord("15.1-bindings.jsonl.gz");
  const player = new Player();
  const wrong = calls.flatMap((call, number) => {
    const differs = difference(call, player);
    return differs === "" ? [] : [`call ${number}, ${call.step}: ${nameOf(call)}: ${differs}`];
  });
  const excused = calls.filter((call) => leftOut.some(({ is }) => is(call, nameOf(call)))).length;
  for (const { what, is } of leftOut)
    t.diagnostic(`not compared: ${what} (${calls.filter((call) => is(call, nameOf(call))).length})`);
  t.diagnostic(
    `replayed ${calls.length - wrong.length} of ${calls.length} calls of 15.1, ${excused} of them not compared`,
  );
  assert.deepEqual(wrong, []);
});
