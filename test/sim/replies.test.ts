/** What a FreeBSD 12.1 kernel answered, beside what the simulated one answers to the same calls in the same order. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { RECORDED_CALLS, type Reply, SYS } from "../ffi/freebsd/replies.ts";
import { Simulator } from "../support/simulator.ts";
import { readRecord12, replays, withoutModel } from "./replay.ts";

const simulator = new Simulator({ release: 12, real: false, pf: false, modules: ["if_epair", "nullfs", "pf"] });
after(() => simulator[Symbol.dispose]());
simulator.use();

/** Calls of a process in a jail, from the attaching on, in a process of their own. */
function replayInJail(calls: readonly Reply[]): void {
  const script = fileURLToPath(new URL("replay-in-jail.ts", import.meta.url));
  execFileSync(process.execPath, ["--import", "tsx", script, JSON.stringify(calls)], { encoding: "utf8" });
}

/** The calls with those of a process in a jail together: they are independent of what others did meanwhile. */
function byProcess(replies: readonly Reply[]): Reply[][] {
  const groups: Reply[][] = [];
  const inJail = new Map<number, Reply[]>();
  for (const reply of replies) {
    const group = inJail.get(reply.ctx);
    if (reply.ctx !== 0 && reply.sys !== SYS.jail_attach && group !== undefined) group.push(reply);
    else {
      const begun = [reply];
      groups.push(begun);
      if (reply.ctx !== 0) inJail.set(reply.ctx, begun);
    }
  }
  return groups;
}

test("the simulator answers as the recorded 12.1 kernel did: results, errors, bytes and words, in jails and outside", (t) => {
  const replies = readRecord12();
  assert.equal(replies.length, RECORDED_CALLS);
  const played = replies.filter((reply) => withoutModel(reply) === undefined);
  for (const group of byProcess(played)) {
    const [reply] = group;
    if (reply === undefined) continue;
    if (reply.ctx === 0) replays(reply, `call ${reply.sys} ${reply.args.join(" ")}`);
    else replayInJail(group);
  }
  const others = replies.map(withoutModel).filter((why) => why !== undefined);
  const counts = [...new Set(others)].sort().map((why) => `${why} (${others.filter((one) => one === why).length})`);
  t.diagnostic(`of 12.1 without a model, since klee makes no such calls: ${counts.join(", ")}`);
  t.diagnostic(`replayed ${played.length} of ${played.length} calls of 12.1; ${others.length} more without a model`);
});
