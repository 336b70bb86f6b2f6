import type { Row, Statements } from "../store/store.ts";
import { text } from "../store/store.ts";
import type { AddressRange, Family, Subnet } from "./subnet.ts";

/**
 * The free addresses of a network, as intervals: one row each, neighbours merged. Taking the lowest address, taking a
 * given one and giving one back each touch at most two rows found by index, whatever the subnet's size.
 * All of it belongs inside the transaction that also writes the endpoint.
 */
const encode = (address: bigint): string => address.toString(16).padStart(32, "0");
type Range = Pick<AddressRange, "first" | "last">;

const decode = (row: Row, column: "first" | "last"): bigint => BigInt(`0x${text(row, column)}`);

/** Makes all usable addresses of the subnet free, but for those in the excluded ranges. */
export async function addFreeRange(
  statements: Statements,
  networkId: string,
  subnet: Subnet,
  excluded: readonly AddressRange[] = [],
): Promise<void> {
  const gaps = excluded
    .filter(({ family }) => family === subnet.family)
    .sort((one, other) => (one.first < other.first ? -1 : 1));
  let first = subnet.firstUsable;
  for (const gap of gaps) {
    const last = gap.first <= subnet.lastUsable ? gap.first - 1n : subnet.lastUsable;
    if (first <= last) await insert(statements, networkId, subnet.family, { first, last });
    if (gap.last >= first) first = gap.last + 1n;
  }
  if (first <= subnet.lastUsable)
    await insert(statements, networkId, subnet.family, { first, last: subnet.lastUsable });
}

/**
 * Takes the lowest free address that is not in use by others.
 *
 * @param within take none outside of it.
 * @returns undefined when no address is left.
 */
export async function takeLowest(
  statements: Statements,
  networkId: string,
  family: Family,
  isTaken: (address: bigint) => boolean,
  within?: Range,
): Promise<bigint | undefined> {
  for (let from = within?.first ?? 0n; ; ) {
    const row = await statements.get(
      "SELECT first, last FROM free_range WHERE network_id = ? AND family = ? AND last >= ? ORDER BY first LIMIT 1",
      networkId,
      family,
      encode(from),
    );
    if (row === undefined) return undefined;
    const range = { first: decode(row, "first"), last: decode(row, "last") };
    let address = range.first > from ? range.first : from;
    while (address <= range.last && isTaken(address)) address += 1n;
    if (within !== undefined && address > within.last) return undefined;
    if (address <= range.last) {
      await cut(statements, networkId, family, range, address);
      return address;
    }
    from = range.last + 1n;
  }
}

/** Takes this address. Returns false when it is not free. */
export async function takeAddress(
  statements: Statements,
  networkId: string,
  family: Family,
  address: bigint,
): Promise<boolean> {
  const [range] = await lastAtOrBefore(statements, networkId, family, address);
  if (range === undefined || range.last < address) return false;
  await cut(statements, networkId, family, range, address);
  return true;
}

/** Gives an address back, merging it with the free ranges on either side. */
export async function giveBack(
  statements: Statements,
  networkId: string,
  family: Family,
  address: bigint,
): Promise<void> {
  const [nearest, next] = await lastAtOrBefore(statements, networkId, family, address + 1n);
  const [before, after] = nearest?.first === address + 1n ? [next, nearest] : [nearest, undefined];
  if (before !== undefined && before.last >= address) return;
  const joinsBefore = before !== undefined && before.last === address - 1n;
  const merged = { first: joinsBefore ? before.first : address, last: after?.last ?? address };
  if (joinsBefore && after !== undefined) await remove(statements, networkId, family, after.first);
  const neighbour = joinsBefore ? before : after;
  if (neighbour === undefined) await insert(statements, networkId, family, merged);
  else await replace(statements, networkId, family, neighbour, merged);
}

/** The two last ranges that begin at or before the address, the last one first. */
async function lastAtOrBefore(
  statements: Statements,
  networkId: string,
  family: Family,
  address: bigint,
): Promise<Range[]> {
  const rows = await statements.all(
    "SELECT first, last FROM free_range WHERE network_id = ? AND family = ? AND first <= ? ORDER BY first DESC LIMIT 2",
    networkId,
    family,
    encode(address),
  );
  return rows.map((row) => ({ first: decode(row, "first"), last: decode(row, "last") }));
}

async function cut(statements: Statements, networkId: string, family: Family, range: Range, at: bigint): Promise<void> {
  const below = { first: range.first, last: at - 1n };
  const above = { first: at + 1n, last: range.last };
  const [kept, other] = [below, above].filter(({ first, last }) => first <= last);
  if (kept === undefined) await remove(statements, networkId, family, range.first);
  else await replace(statements, networkId, family, range, kept);
  if (other !== undefined) await insert(statements, networkId, family, other);
}

function insert(statements: Statements, networkId: string, family: Family, range: Range): Promise<void> {
  return statements.run(
    "INSERT INTO free_range (network_id, family, first, last) VALUES (?, ?, ?, ?)",
    networkId,
    family,
    encode(range.first),
    encode(range.last),
  );
}

function replace(statements: Statements, networkId: string, family: Family, range: Range, by: Range): Promise<void> {
  return statements.run(
    "UPDATE free_range SET first = ?, last = ? WHERE network_id = ? AND family = ? AND first = ?",
    encode(by.first),
    encode(by.last),
    networkId,
    family,
    encode(range.first),
  );
}

function remove(statements: Statements, networkId: string, family: Family, first: bigint): Promise<void> {
  return statements.run(
    "DELETE FROM free_range WHERE network_id = ? AND family = ? AND first = ?",
    networkId,
    family,
    encode(first),
  );
}
