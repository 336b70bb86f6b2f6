import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Network } from "../../src/kleene/model.ts";
import { connect, disconnectAll } from "../../src/kleene/network/endpoints.ts";
import { insertNetwork } from "../../src/kleene/network/rows.ts";
import type { Family } from "../../src/kleene/network/subnet.ts";
import { Store } from "../../src/kleene/store/store.ts";
import { atMost, type Condition, compare, flatWithin } from "../compare.ts";
import type { Plot, Row } from "../model.ts";
import { extent, type Scale, sizes } from "../scale.ts";
import type { Group } from "./group.ts";

const FLAT = 1.5;
const IMAGE = "1234abcd1234";
const CONTAINER = "bbbbbbbbbbbb";
const ENDPOINT = "eeeeeeeeeeee";
const NETWORK = "aaaaaaaaaaaa";

/** Taking the lowest free address and giving it back, in subnets of which every second address is taken. */
export const allocation: Group = {
  title: "Address allocation",
  async measure(scale) {
    const rows: Row[] = [];
    const lines: { name: string; points: [number, number][] }[] = [];
    for (const family of [4, 6] as const) {
      const points: [number, number][] = [];
      let reference = Number.NaN;
      for (const count of sizes(scale, [0, 1000], [100_000, 1_000_000])) {
        const conditions = count === 0 ? [atMost(1, "ms")] : [atMost(1, "ms"), flatWithin(FLAT, reference, "empty")];
        const row = await allocate(family, count, scale, conditions);
        const median = row.contenders[0]?.figures?.median ?? Number.NaN;
        if (count === 0) reference = median;
        points.push([Math.max(1, count), median]);
        rows.push(row);
      }
      lines.push({ name: family === 4 ? "IPv4 /8" : "IPv6 /64", points });
    }
    const plot: Plot = {
      name: "allocation",
      title: "Taking an address and giving it back, each in its own transaction",
      x: "endpoints in the subnet",
      y: "ms",
      lines,
    };
    return { rows, plots: [plot], skipped: ["peers: podman allocates inside its network plug-ins, not by a call"] };
  },
};

async function allocate(family: Family, count: number, scale: Scale, conditions: readonly Condition[]): Promise<Row> {
  const root = mkdtempSync(join(tmpdir(), "klee-bench-store-"));
  try {
    const store = await Store.open(root);
    const network = networkOf(family);
    await fill(store, network, family, count);
    const take = async (): Promise<void> => {
      await store.transaction((statements) =>
        connect(
          statements,
          ENDPOINT,
          CONTAINER,
          network,
          { ip: undefined, ip6: undefined },
          { interfaces: { holderOf: () => undefined, find: () => undefined, neighbours: () => [] } },
        ),
      );
    };
    const giveBack = (): Promise<void> => store.transaction((statements) => disconnectAll(statements, CONTAINER));
    const touch = (): Promise<void> =>
      store.transaction((statements) =>
        statements.run("UPDATE container SET execution = NULL WHERE id = ?", CONTAINER),
      );
    const row = await compare(
      `IPv${family} ${family === 4 ? "/8" : "/64"} holding ${count.toLocaleString("en")} endpoints: allocate and release`,
      "ms",
      [
        { name: "klee", role: "klee", sample: () => timed([take, giveBack]) },
        { name: "two transactions of one UPDATE", role: "floor", sample: () => timed([touch, touch]) },
      ],
      extent(scale, 4, 500),
      conditions,
    );
    await store.close();
    return row;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function networkOf(family: Family): Network {
  return {
    exclude: [],
    gateway: "<auto>",
    gateway6: "<auto>",
    icc: true,
    id: NETWORK,
    interface: "kleene0",
    internal: false,
    log: false,
    ip_range: [],
    name: "bench",
    nat: "",
    subnet: family === 4 ? "10.0.0.0/8" : "",
    subnet6: family === 6 ? "fd00:2:3::/64" : "",
    type: "loopback",
  };
}

/** The rows that `count` containers would have left, every second address from the first on, written by few statements. */
async function fill(store: Store, network: Network, family: Family, count: number): Promise<void> {
  const base = family === 4 ? 0x0a000000n : 0xfd00000200030000n << 64n;
  const end = family === 4 ? base + (1n << 24n) - 2n : base + (1n << 64n) - 1n;
  const hex = (address: bigint): string => address.toString(16).padStart(32, "0");
  const prefix = hex(base).slice(0, 24);
  const low = family === 4 ? 0x0a000000 : 0;
  const numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
  const address =
    family === 4
      ? `'10.' || ((2 * i - 1) >> 16) || '.' || ((2 * i - 1) >> 8 & 255) || '.' || ((2 * i - 1) & 255)`
      : `'fd00:2:3::' || CASE WHEN 2 * i - 1 > 65535 THEN printf('%x:%x', (2 * i - 1) >> 16, (2 * i - 1) & 65535)
                          ELSE printf('%x', 2 * i - 1) END`;
  await store.transaction(async (statements) => {
    await insertNetwork(statements, network);
    await statements.run(
      `INSERT INTO image (id, name, tag, dataset, created, cmd, env, user, instructions)
       VALUES ('${IMAGE}', 'i', 'latest', '/', '', '[]', '[]', 'root', '[]')`,
    );
    const container = (id: string): string =>
      `INSERT INTO container (id, name, image_id, cmd, env, user, jail_param, network_driver, dataset,
                              created, persist) ${id}`;
    const rest = `'${IMAGE}', '[]', '[]', 'root', '[]', 'ipnet', '', '', 0`;
    await statements.run(container(`VALUES ('${CONTAINER}', 'bench', ${rest})`));
    if (count > 0) {
      await statements.run(container(`${numbers} SELECT printf('%012x', i), 'c' || i, ${rest} FROM n`), count);
      await statements.run(
        `INSERT INTO endpoint (id, container_id, network_id, ip_address, ip_address6)
         ${numbers} SELECT printf('%012x', i), printf('%012x', i), '${NETWORK}',
           ${family === 4 ? address : "''"}, ${family === 6 ? address : "''"} FROM n`,
        count,
      );
      await statements.run(
        `INSERT INTO free_range (network_id, family, first, last)
         ${numbers} SELECT '${NETWORK}', ${family}, '${prefix}' || printf('%08x', ${low} + 2 * i),
           '${prefix}' || printf('%08x', ${low} + 2 * i) FROM n WHERE i < ?1`,
        count,
      );
    }
    await statements.run(
      "INSERT INTO free_range (network_id, family, first, last) VALUES (?, ?, ?, ?)",
      NETWORK,
      family,
      hex(base + BigInt(Math.max(1, 2 * count))),
      hex(end),
    );
  });
}

async function timed(steps: readonly (() => Promise<void>)[]): Promise<number> {
  const start = process.hrtime.bigint();
  for (const step of steps) await step();
  return Number(process.hrtime.bigint() - start) / 1e6;
}
