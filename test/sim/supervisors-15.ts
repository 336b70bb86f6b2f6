import { jail } from "../../src/ffi/freebsd/index.ts";
import { openLibrary } from "../../src/ffi/library.ts";
import { SIMULATOR } from "../support/simulator.ts";
import { nameOf, type RecordedCall } from "./record.ts";

/**
 * When jails ended while the record of klee's commands was made: by the number of the first call that shows it. A jail
 * that is dying is one that a freed process's credentials hold still.
 */
const ends: readonly { readonly before: number; readonly jid: number; readonly how: "dying" | "gone" }[] = [
  { before: 490, jid: 6, how: "gone" },
  { before: 630, jid: 7, how: "gone" },
  { before: 930, jid: 9, how: "gone" },
  { before: 1083, jid: 10, how: "gone" },
  { before: 1609, jid: 11, how: "dying" },
  { before: 1611, jid: 11, how: "gone" },
  { before: 1679, jid: 8, how: "dying" },
  { before: 1681, jid: 8, how: "gone" },
  { before: 2016, jid: 12, how: "gone" },
];

/** klee-supervisor, whose calls are not in the record: it gives a jail its name, and jails end with what runs in them. */
export class Supervisors {
  readonly #begins = new Map<number, number>();
  readonly #end: (jid: number, dying: number) => number;

  constructor(calls: readonly RecordedCall[]) {
    this.#end = openLibrary("freebsd-sim", [SIMULATOR]).func("int sim_jail_end(int jid, int dying)");
    const JAIL_CREATE = 1;
    for (const [number, call] of calls.entries())
      if (nameOf(call) === "jail_set" && call.args[2] === JAIL_CREATE)
        this.#begins.set(number + 1, Number(call.result));
  }

  /** Does what supervisors did before the call of this number. */
  act(number: number): void {
    const begun = this.#begins.get(number);
    if (begun !== undefined) {
      const name = String(jail.jailGet({ jid: begun }, { name: "string" }).values.name);
      jail.jailSet({ jid: begun, name: name.replace("starting-", "") }, "update");
    }
    for (const { before, jid, how } of ends) if (before === number) this.#end(jid, how === "dying" ? 1 : 0);
  }
}
