import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Prefix, parsePrefix } from "../../src/ffi/inet.ts";
import { type NetlinkSocket, openRtnetlink } from "../../src/ffi/linux/netlink/socket.ts";
import { addAddresses, removeAddresses } from "../../src/ffi/linux/rtnl/address.ts";
import { createLink, findLink, type Link } from "../../src/ffi/linux/rtnl/link.ts";
import { enterNetworkNamespace } from "../../test/support/namespaces.ts";
import { type Absentee, atMost, atMostTimes, compare, type Entrant, fasterThan } from "../compare.ts";
import { Floor, Spawner } from "../floor.ts";
import type { Plot, Row } from "../model.ts";
import { extent, type Scale, sizes } from "../scale.ts";
import { findPeer } from "../setup.ts";
import type { Group, Measured } from "./group.ts";

const INTERFACE = "bench0";
/** Single requests are measured this many at a time, on both sides: one is shorter than the clock's own cost. */
const AT_ONCE = 50;

interface Bench {
  readonly socket: NetlinkSocket;
  readonly link: Link;
  readonly floor: Floor;
  readonly spawner: Spawner;
}

export const alias: Group = {
  title: "Aliases by rtnetlink",
  async measure(scale): Promise<Measured> {
    enterNetworkNamespace();
    using socket = openRtnetlink();
    createLink(socket, { name: INTERFACE, kind: "bridge", addrGenMode: "none", up: true });
    const link = findLink(socket, INTERFACE);
    if (link === undefined) throw new Error(`${INTERFACE} was not made`);
    using floor = new Floor("alias", [String(link.index)]);
    using spawner = new Spawner();
    const bench: Bench = { socket, link, floor, spawner };
    const batch = await batches(bench, scale);
    return { rows: [...(await singles(bench, scale)), ...batch.rows], plots: [batch.plot] };
  },
};

async function singles(bench: Bench, scale: Scale): Promise<Row[]> {
  const { socket, link, floor, spawner } = bench;
  const prefixes = aliases(AT_ONCE);
  const add = (): void => {
    for (const prefix of prefixes) addAddresses(socket, link, [prefix]);
  };
  const remove = (): void => {
    for (const prefix of prefixes) removeAddresses(socket, link, [prefix]);
  };
  const ip = (verb: string): Entrant | Absentee => {
    const program = findPeer("ip");
    if (program === undefined) return { name: "ip", role: "peer", missing: "iproute2 is not installed" };
    const command = [program, "address", verb, "10.200.0.1/32", "dev", INTERFACE];
    return {
      name: "ip",
      role: "peer",
      async sample() {
        if (verb === "del") addAddresses(socket, link, aliases(1));
        const milliseconds = await spawner.run(command);
        if (verb === "add") removeAddresses(socket, link, aliases(1));
        return milliseconds * 1000;
      },
    };
  };
  const conditions = [atMostTimes(1.3, "C"), fasterThan("ip", 100)];
  const adding: Entrant[] = [
    {
      name: "klee",
      role: "klee",
      sample() {
        const taken = timed(add);
        remove();
        return taken / AT_ONCE;
      },
    },
    {
      name: "C",
      role: "floor",
      async sample() {
        const taken = await floor.nanoseconds(`add ${AT_ONCE}`);
        await floor.nanoseconds(`del ${AT_ONCE}`);
        return taken / 1000 / AT_ONCE;
      },
    },
  ];
  const deleting: Entrant[] = [
    {
      name: "klee",
      role: "klee",
      sample() {
        add();
        return timed(remove) / AT_ONCE;
      },
    },
    {
      name: "C",
      role: "floor",
      async sample() {
        await floor.nanoseconds(`add ${AT_ONCE}`);
        return (await floor.nanoseconds(`del ${AT_ONCE}`)) / 1000 / AT_ONCE;
      },
    },
  ];
  return [
    await compare("add an alias", "us", [...adding, ip("add")], extent(scale, 4), conditions),
    await compare("delete an alias", "us", [...deleting, ip("del")], extent(scale, 4), conditions),
  ];
}

async function batches(bench: Bench, scale: Scale): Promise<{ rows: Row[]; plot: Plot }> {
  const rows: Row[] = [];
  const lines = new Map<string, [number, number][]>();
  for (const size of sizes(scale, [1, 1000], [10, 100]).toSorted((a, b) => a - b)) {
    const row = await batch(bench, size, scale);
    if (size === 1000) rows.push(row);
    for (const { name, figures } of row.contenders)
      if (figures) lines.set(name, [...(lines.get(name) ?? []), [size, figures.median]]);
  }
  const plot = {
    name: "alias-batch",
    title: "Adding aliases in one batch",
    x: "aliases in the batch",
    y: "us each",
    lines: [...lines].map(([name, points]) => ({ name, points })),
  };
  return { rows, plot };
}

async function batch({ socket, link, floor, spawner }: Bench, size: number, scale: Scale): Promise<Row> {
  const prefixes = aliases(size);
  const file = join(tmpdir(), `klee-bench-batch-${process.pid}`);
  const program = findPeer("ip");
  const ip: Entrant | Absentee =
    program === undefined
      ? { name: "ip -batch", role: "peer", missing: "iproute2 is not installed" }
      : {
          name: "ip -batch",
          role: "peer",
          async sample() {
            const lines = prefixes.map((_, index) => `address add ${dotted(index)}/32 dev ${INTERFACE}\n`);
            writeFileSync(file, lines.join(""));
            const milliseconds = await spawner.run([program, "-batch", file]);
            removeAddresses(socket, link, prefixes);
            return (milliseconds * 1000) / size;
          },
        };
  const entrants: (Entrant | Absentee)[] = [
    {
      name: "klee",
      role: "klee",
      sample() {
        const taken = timed(() => addAddresses(socket, link, prefixes));
        removeAddresses(socket, link, prefixes);
        return taken / size;
      },
    },
    {
      name: "C",
      role: "floor",
      async sample() {
        const taken = await floor.nanoseconds(`batchadd ${size}`);
        await floor.nanoseconds(`batchdel ${size}`);
        return taken / 1000 / size;
      },
    },
    ip,
  ];
  const conditions = size === 1000 ? [atMost(6, "us"), atMostTimes(1.3, "C")] : [];
  try {
    return await compare(`add ${size} aliases in a batch, each`, "us", entrants, extent(scale, 4), conditions);
  } finally {
    rmSync(file, { force: true });
  }
}

/** 10.200.0.1/32 and up, as the floor counts them. */
const dotted = (index: number): string => `10.200.${(index + 1) >> 8}.${(index + 1) & 255}`;
const aliases = (count: number): Prefix[] =>
  Array.from({ length: count }, (_, index) => parsePrefix(`${dotted(index)}/32`));

/** Microseconds. */
function timed(work: () => void): number {
  const start = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - start) / 1000;
}
