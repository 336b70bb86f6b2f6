import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addFreeRange, giveBack, takeAddress, takeLowest } from "../../src/kleene/network/free-ranges.ts";
import { parseSubnet } from "../../src/kleene/network/parse-subnet.ts";
import { Store, text } from "../../src/kleene/store/store.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const NETWORK = "aaaaaaaaaaaa";

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  using directory = temporaryDirectory();
  const store = await Store.open(directory.path);
  try {
    await store.run(
      `INSERT INTO network (id, name, type, interface, subnet, subnet6, gateway, gateway6, nat, icc, internal)
       VALUES (?, 'n', 'loopback', 'kleene0', '', '', '', '', '', 1, 0)`,
      NETWORK,
    );
    await work(store);
  } finally {
    await store.close();
  }
}

interface Step {
  readonly kind: "lowest" | "given" | "back";
  /** Offset from the subnet's first address. */
  readonly offset: number;
}

const steps = fc.array(
  fc.record<Step>({ kind: fc.constantFrom("lowest", "lowest", "given", "back"), offset: fc.nat({ max: 33 }) }),
  { maxLength: 60 },
);

test("any order of taking and giving back does what a set of addresses does, and ranges stay merged", () =>
  withStore(async (store) => {
    const subnet = parseSubnet("subnet", 4, "10.0.0.0/27");
    const hosts = subnet.first + 5n;
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        await store.run("DELETE FROM free_range");
        await addFreeRange(store, NETWORK, subnet);
        const free = new Set<bigint>();
        for (let address = subnet.firstUsable; address <= subnet.lastUsable; address += 1n) free.add(address);
        for (const { kind, offset } of sequence) {
          const address = subnet.first + BigInt(offset);
          if (kind === "lowest") {
            const expected = [...free].filter((one) => one !== hosts).sort((a, b) => Number(a - b))[0];
            assert.equal(await takeLowest(store, NETWORK, 4, (one) => one === hosts), expected);
            if (expected !== undefined) free.delete(expected);
          } else if (kind === "given") {
            assert.equal(await takeAddress(store, NETWORK, 4, address), free.delete(address));
          } else if (address >= subnet.firstUsable && address <= subnet.lastUsable) {
            await giveBack(store, NETWORK, 4, address);
            free.add(address);
          }
        }
        assert.deepEqual(await rangesOf(store), runsOf([...free].sort((a, b) => Number(a - b))));
      }),
      { numRuns: 60 },
    );
  }));

const gaps = fc.array(fc.tuple(fc.nat({ max: 33 }), fc.nat({ max: 6 })), { maxLength: 5 });

test("excluded ranges are never free, wherever they lie and however they overlap; a range bounds what is taken", () =>
  withStore(async (store) => {
    const subnet = parseSubnet("subnet", 4, "10.0.0.0/27");
    await fc.assert(
      fc.asyncProperty(gaps, fc.nat({ max: 31 }), fc.nat({ max: 31 }), async (excluded, one, other) => {
        await store.run("DELETE FROM free_range");
        const ranges = excluded.map(([offset, size]) => {
          const first = subnet.first + BigInt(offset);
          return { family: 4 as const, first, last: first + BigInt(size) };
        });
        await addFreeRange(store, NETWORK, subnet, [...ranges, { family: 6, first: 0n, last: subnet.last }]);
        const free: bigint[] = [];
        for (let address = subnet.firstUsable; address <= subnet.lastUsable; address += 1n)
          if (!ranges.some(({ first, last }) => first <= address && address <= last)) free.push(address);
        assert.deepEqual(await rangesOf(store), runsOf(free));
        const [first, last] = [one, other].sort((a, b) => a - b).map((offset) => subnet.first + BigInt(offset));
        assert(first !== undefined && last !== undefined);
        const within = free.filter((address) => first <= address && address <= last && address !== first + 2n);
        assert.equal(
          await takeLowest(store, NETWORK, 4, (address) => address === first + 2n, { first, last }),
          within[0],
        );
      }),
      { numRuns: 100 },
    );
  }));

test("a /8 and a /64 are one row each, whatever their size; the last address of a /64 can be taken and given back", () =>
  withStore(async (store) => {
    const large = parseSubnet("subnet", 4, "10.0.0.0/8");
    const huge = parseSubnet("subnet6", 6, "fd00::/64");
    await addFreeRange(store, NETWORK, large);
    await addFreeRange(store, NETWORK, huge);
    assert.equal((await rangesOf(store)).length, 2);
    assert.equal(await takeAddress(store, NETWORK, 6, huge.lastUsable), true);
    assert.equal(await takeAddress(store, NETWORK, 6, huge.lastUsable), false);
    assert.equal(await takeLowest(store, NETWORK, 6, () => false), huge.firstUsable);
    await giveBack(store, NETWORK, 6, huge.lastUsable);
    await giveBack(store, NETWORK, 6, huge.firstUsable);
    await giveBack(store, NETWORK, 6, huge.firstUsable);
    assert.equal((await rangesOf(store)).length, 2);
  }));

type Range = readonly [first: bigint, last: bigint];

async function rangesOf(store: Store): Promise<Range[]> {
  const rows = await store.all("SELECT first, last FROM free_range ORDER BY family, first");
  return rows.map((row) => [BigInt(`0x${text(row, "first")}`), BigInt(`0x${text(row, "last")}`)]);
}

/** Neighbouring numbers as ranges. */
function runsOf(sorted: readonly bigint[]): Range[] {
  const runs: [bigint, bigint][] = [];
  for (const address of sorted) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === address - 1n) last[1] = address;
    else runs.push([address, address]);
  }
  return runs;
}
