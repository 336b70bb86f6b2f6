/** A process in a jail in which others run ends: its supervisor does not wait for the jail, which stays. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { jail, launch } from "../../src/ffi/freebsd/index.ts";
import { needs } from "../support/gate.ts";
import { buildRoot } from "../support/rootfs.ts";
import { Simulator } from "../support/simulator.ts";
import { temporaryDirectory } from "../support/temporary.ts";

/** This release tells nobody of a jail's end: each look for it is a call. */
const simulator = new Simulator({ release: 14 });
const directory = temporaryDirectory();
after(() => {
  simulator[Symbol.dispose]();
  directory[Symbol.dispose]();
});
simulator.use();

test("the end of a process is told at once while others run in its jail", needs("root", "busybox"), async () => {
  const root = join(directory.path, "root");
  const log = join(directory.path, "calls");
  buildRoot(root, ["sh", "sleep", "true"]);
  const jid = jail.jailSet({ path: root, name: "box", persist: true }, "create");
  /** How often the supervisor looked for the jail after the end of a process. */
  const looks = async (): Promise<number> => {
    rmSync(log, { force: true });
    process.env.KLEE_SIM_CALLS = log;
    using started = await launch.startInJail(jid, { argv: ["/bin/true"] });
    delete process.env.KLEE_SIM_CALLS;
    assert.deepEqual(await started.exited, { code: 0, signal: undefined, jailGone: false });
    const calls = existsSync(log) ? readFileSync(log, "utf8").split("\n") : [];
    return calls.filter((line) => /^klee-supervisor .* jail_get$/.test(line)).length;
  };
  assert.ok((await looks()) > 1, "a jail without processes may be about to end");
  using _other = await launch.startInJail(jid, { argv: ["/bin/sleep", "60"] });
  assert.equal(await looks(), 0);
  jail.jailRemove(jid);
});
