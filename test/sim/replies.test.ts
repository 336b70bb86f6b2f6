import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { RECORDED_CALLS, type Reply, readReplies, SYS } from "../ffi/freebsd/replies.ts";
import { Simulator } from "../support/simulator.ts";
import { replays } from "./replay.ts";

const simulator = new Simulator({ release: 12, real: false, pf: false, modules: ["if_epair", "nullfs", "pf"] });
after(() => simulator[Symbol.dispose]());
simulator.use();

/** The recorder's processes in jails asked for the host's name there: the first one in jail 1, the second in jail 5. */
const system = readReplies("replies-system.jsonl");
const hostnames = new Map(
  system.filter(({ sys, ctx }) => sys === SYS.sysctl && ctx !== 0).map((reply, index) => [index === 0 ? 1 : 5, reply]),
);

/** Calls in a jail, from the attaching on, in a process of their own. */
function replayInJail(calls: readonly Reply[]): number {
  const hostname = hostnames.get(Number(calls[0]?.args[0]));
  const script = fileURLToPath(new URL("replay-in-jail.ts", import.meta.url));
  const all = JSON.stringify([...calls, ...(hostname === undefined ? [] : [hostname])]);
  return Number(execFileSync(process.execPath, ["--import", "tsx", script, all], { encoding: "utf8" }));
}

test("the simulator answers as the recorded kernel did: results, errors, bytes and words, in jails and outside", (t) => {
  const replies = [
    ...readReplies("replies.jsonl"),
    ...system.filter(({ ctx }) => ctx === 0),
    ...readReplies("replies-pf.jsonl"),
  ];
  let compared = 0;
  for (let index = 0; index < replies.length; ) {
    const reply = replies[index];
    if (reply === undefined) break;
    if (reply.ctx === 0) {
      if (replays(reply, `record ${index}: call ${reply.sys} ${reply.args.join(" ")}`)) compared += 1;
      index += 1;
      continue;
    }
    const rest = replies.slice(index + 1);
    const length = 1 + rest.findIndex(({ ctx, sys }) => ctx === 0 || sys === SYS.jail_attach);
    const end = length === 0 ? replies.length : index + length;
    compared += replayInJail(replies.slice(index, end));
    index = end;
  }
  t.diagnostic(
    `replayed ${compared} of ${RECORDED_CALLS} calls of 12.1; the others are of functions that klee does not call`,
  );
  assert.equal(compared, 96);
});
