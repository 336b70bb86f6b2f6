import { ifaddr, ifclone, jail } from "../../src/ffi/freebsd/index.ts";
import { atMost, type Condition, compare } from "../compare.ts";
import { Floor } from "../floor.ts";
import type { Row } from "../model.ts";
import { extent, type Scale } from "../scale.ts";
import { floorPath } from "../setup.ts";
import type { Group } from "./group.ts";
import { AT_ONCE, memoryKept, timedTogether } from "./repeated.ts";

/** The FreeBSD bindings' own share: encoding, koffi, decoding. The C library that they call is a stand-in. */
export const freebsd: Group = {
  title: "FreeBSD bindings on a stand-in for libc: what klee adds to the kernel's time",
  async measure(scale) {
    const standIn = floorPath("stand-in.so");
    process.env.KLEE_LIBC = standIn;
    using floor = new Floor("freebsd", [standIn]);
    const jid = jail.jailSet({ path: "/", name: "bench", persist: true }, "create");
    const lo = ifclone.createInterface("lo");
    const calls: readonly (readonly [string, string, () => unknown, Condition[]])[] = [
      [
        "jail_set: change ip4.addr",
        "jail_set",
        () => jail.jailSetAddresses(jid, { ip4: ["10.2.3.1"] }),
        [atMost(5, "us")],
      ],
      [
        "jail_get: name and path",
        "jail_get",
        () => jail.jailGet({ jid }, { name: "string", path: "string" }),
        [atMost(5, "us")],
      ],
      ["SIOCAIFADDR: socket, ioctl, close", "alias", () => ifaddr.addAlias({ interface: lo, address: "10.2.3.1" }), []],
    ];
    const rows: Row[] = [];
    for (const [what, command, call, conditions] of calls) {
      rows.push(await time(what, command, call, floor, scale, conditions));
      rows.push(memoryKept(what, call, scale));
    }
    return { rows };
  },
};

function time(
  what: string,
  command: string,
  call: () => unknown,
  floor: Floor,
  scale: Scale,
  conditions: readonly Condition[],
): Promise<Row> {
  const inC = async (): Promise<number> => (await floor.nanoseconds(`${command} ${AT_ONCE}`)) / 1000 / AT_ONCE;
  return compare(
    what,
    "us",
    [
      { name: "klee", role: "klee", sample: timedTogether(call) },
      { name: "C", role: "floor", sample: inC },
    ],
    extent(scale, 3),
    conditions,
  );
}
