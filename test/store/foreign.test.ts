/** A store that somebody else could have put there, or could change, is refused, and nothing of it changes. */
import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { Store } from "../../src/kleene/store/store.ts";
import { needs } from "../support/gate.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const gate = needs("root");
const directory = temporaryDirectory();
after(() => directory[Symbol.dispose]());
let count = 0;

/** A store that was used before. */
async function used(): Promise<{ readonly root: string; readonly database: string }> {
  const root = join(directory.path, `store-${count++}`);
  await (await Store.open(root)).close();
  return { root, database: join(root, "klee.sqlite") };
}

const seen = (path: string): unknown[] => {
  const { mode, uid, size, ino } = lstatSync(path);
  return [path, mode, uid, size, ino];
};
const stateOf = (root: string): unknown[] => [
  seen(root),
  ...readdirSync(root)
    .sort()
    .map((name) => seen(join(root, name))),
];

async function refuses(root: string, message: RegExp): Promise<void> {
  const before = stateOf(root);
  await assert.rejects(Store.open(root), { name: "KleeError", message });
  assert.deepEqual(stateOf(root), before);
}

test("a link in the store's place, whatever it leads to", gate, async () => {
  const { root } = await used();
  const link = `${root}-link`;
  symlinkSync(root, link);
  for (const path of [link, `${link}/`, `${link}//`]) await refuses(path, /-link\/* is a symbolic link/);
  const empty = join(directory.path, "empty");
  mkdirSync(empty, { mode: 0o700 });
  symlinkSync(empty, `${empty}-link`);
  await refuses(`${empty}-link`, /is a symbolic link/);
  assert.deepEqual(readdirSync(empty), []);
  // Its own directory may be reached by a link.
  symlinkSync(directory.path, join(directory.path, "here"));
  await (await Store.open(join(directory.path, "here", root.slice(directory.path.length + 1)))).close();
});

test("a database that is a link", gate, async () => {
  const { root, database } = await used();
  renameSync(database, `${root}.sqlite`);
  symlinkSync(`${root}.sqlite`, database);
  await refuses(root, /klee\.sqlite is a symbolic link/);
});

for (const [who, mode] of [
  ["the group", 0o020],
  ["all", 0o002],
] as const)
  test(`a directory or a database that ${who} may write to`, gate, async () => {
    const { root, database } = await used();
    chmodSync(database, 0o600 | mode);
    await refuses(root, /klee\.sqlite can be written by others than root: chmod 600 it/);
    chmodSync(database, 0o600);
    chmodSync(root, 0o700 | mode);
    await refuses(root, /can be written by others than root: chmod 700 it/);
  });

test("a directory or a database of another user", gate, async () => {
  const { root, database } = await used();
  chownSync(database, 7, 0);
  await refuses(root, /klee\.sqlite belongs to user 7/);
  chownSync(database, 0, 0);
  chownSync(root, 7, 0);
  await refuses(root, /belongs to user 7/);
});

test("one that others may only read is closed to them", gate, async () => {
  const { root, database } = await used();
  writeFileSync(join(root, "other"), "");
  chmodSync(database, 0o644);
  await (await Store.open(root)).close();
  assert.equal(lstatSync(database).mode & 0o777, 0o600);
});
