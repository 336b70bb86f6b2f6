import { ifaddr, ifclone, jail } from "../../src/ffi/freebsd/index.ts";
import { atMost, type Condition, compare, rowOf } from "../compare.ts";
import { Floor } from "../floor.ts";
import type { Row } from "../model.ts";
import { extent, type Scale } from "../scale.ts";
import { floorPath } from "../setup.ts";
import type { Group } from "./group.ts";

/** Calls that are timed together. */
const AT_ONCE = 500;

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
      rows.push(growth(what, call, scale));
    }
    return { rows, skipped: ["pf transaction: the bindings have no pf yet"] };
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
  const sample = (): number => {
    const start = process.hrtime.bigint();
    for (let count = 0; count < AT_ONCE; count++) call();
    return Number(process.hrtime.bigint() - start) / 1000 / AT_ONCE;
  };
  const inC = async (): Promise<number> => (await floor.nanoseconds(`${command} ${AT_ONCE}`)) / 1000 / AT_ONCE;
  return compare(
    what,
    "us",
    [
      { name: "klee", role: "klee", sample },
      { name: "C", role: "floor", sample: inC },
    ],
    extent(scale, 3),
    conditions,
  );
}

/** Bytes by which the process has grown after many calls, for each: what is never given back. */
function growth(what: string, call: () => unknown, scale: Scale): Row {
  const calls = scale.quick ? 5_000 : 100_000;
  const passes = 4;
  const used: number[] = [];
  for (let pass = 0; pass <= passes; pass++) {
    for (let count = 0; count < calls; count++) call();
    used.push(residentAfterCollection());
  }
  // The first pass warms up: code is compiled, pools fill.
  const grown = used.slice(1).map((bytes, index) => (bytes - (used[index] ?? 0)) / calls);
  return rowOf(`${what}: memory kept per call`, "bytes", grown, [atMost(1, "bytes")]);
}

function residentAfterCollection(): number {
  // The harness runs its groups with --expose-gc.
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
