/** What belongs to a transaction, what does not, and what waits for the disk. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { atOnce, type Statements, Store } from "../../src/kleene/store/store.ts";

const directory = mkdtempSync(join(tmpdir(), "klee-store-"));
const store = await Store.open(directory);
after(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});
beforeEach(() => store.run("DELETE FROM meta"));

const insert = (statements: Statements, key: string): Promise<void> =>
  statements.run("INSERT INTO meta (key, value) VALUES (?, 'x')", key);
const keys = async (): Promise<unknown[]> =>
  (await store.all("SELECT key FROM meta ORDER BY key")).map(({ key }) => key);

/** sqlite.org/pragma.html: 1 is NORMAL, 2 is FULL. */
async function synchronous(statements: Statements): Promise<unknown> {
  return (await statements.get("PRAGMA synchronous"))?.synchronous;
}

test("a statement beside a transaction is not undone with it", async () => {
  const failing = store.transaction(async (statements) => {
    await insert(statements, "within");
    await insert(statements, "within");
  });
  const beside = [insert(store, "beside"), insert(store.alone(false), "beside too")];
  await assert.rejects(failing, /UNIQUE/);
  await Promise.all(beside);
  assert.deepEqual(await keys(), ["beside", "beside too"]);
});

test("transactions and statements of their own are carried out in the order in which they were asked for", async () => {
  const order: string[] = [];
  await Promise.all([
    store.transaction((statements) => insert(statements, "a").then(() => order.push("a"))),
    store
      .alone(true)
      .get("SELECT 1")
      .then(() => order.push("b")),
    store.transaction((statements) => insert(statements, "c").then(() => order.push("c")), false),
    store.run("DELETE FROM meta").then(() => order.push("d")),
  ]);
  assert.deepEqual(order, ["a", "b", "c", "d"]);
  assert.deepEqual(await keys(), []);
});

test("what is to last waits for the disk, whatever came before", async () => {
  const lasting = (): Promise<unknown> => store.transaction(synchronous);
  const passing = (): Promise<unknown> => store.transaction(synchronous, false);
  assert.deepEqual([await lasting(), await passing(), await lasting()], [2, 1, 2]);
  assert.deepEqual([await synchronous(store.alone(false)), await synchronous(store.alone(true))], [1, 2]);
  const failing = store.transaction(() => Promise.reject(new Error("no")), false);
  await assert.rejects(failing, /^Error: no$/);
  assert.equal(await lasting(), 2);
  await assert.rejects(store.alone(false).run("SELECT nothing"), /nothing/);
  assert.equal(await synchronous(store.alone(true)), 2);
});

test("of what is asked at once all has been answered when one failed, and the first failure counts", async () => {
  await insert(store, "there");
  const failing = store.transaction((statements) =>
    atOnce([
      statements.run("DELETE FROM meta WHERE key = ?", "there"),
      insert(statements, "slow").then(() => statements.all("SELECT * FROM missing")),
      Promise.reject(new Error("quick")),
      insert(statements, "late"),
    ]),
  );
  await assert.rejects(failing, /no such table: missing/);
  assert.deepEqual(await keys(), ["there"]);
  assert.deepEqual(await atOnce([store.get("SELECT 1 AS one"), "as it is", Promise.resolve(3)]), [
    { one: 1 },
    "as it is",
    3,
  ]);
});
