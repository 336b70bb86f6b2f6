/** The store on a file system without a free block or inode, whichever host's locks it uses. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mount, unmount } from "../../src/ffi/linux/mount.ts";
import type { ReserveCalls } from "../../src/kleene/store/reserve.ts";
import { Store, text } from "../../src/kleene/store/store.ts";
import { needs } from "../support/gate.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const CHANGES = 200;
type Kind = "bytes" | "inodes" | "bytes of a disk" | "inodes of a disk";

/** A file system of a few MB, and what takes all of it. */
class Small implements Disposable {
  readonly #directory = temporaryDirectory();
  readonly root = join(this.#directory.path, "store");
  readonly #kind: Kind;

  constructor(kind: Kind) {
    this.#kind = kind;
    mkdirSync(this.root);
    if (kind.endsWith("of a disk")) {
      const image = join(this.#directory.path, "disk");
      execFileSync("truncate", ["-s", "24M", image]);
      execFileSync("mkfs.ext4", ["-q", "-m", "0", ...(kind.startsWith("inodes") ? ["-N", "48"] : []), image]);
      execFileSync("mount", ["-o", "loop", image, this.root]);
      execFileSync("chmod", ["700", this.root]);
      return;
    }
    const data = kind === "bytes" ? "size=12m,mode=700" : "size=32m,nr_inodes=40,mode=700";
    mount({ source: "klee-test", target: this.root, type: "tmpfs", data });
  }

  /** Takes what is left, as a container would; again and again while others work, as one would, too. */
  fill(): void {
    if (this.#kind.startsWith("inodes")) {
      for (let index = 0; ; index++)
        try {
          if (!existsSync(join(this.root, `taken${index}`))) writeFileSync(join(this.root, `taken${index}`), "");
        } catch {
          break;
        }
      return;
    }
    const fd = openSync(join(this.root, "taken"), "a");
    try {
      for (const size of [65_536, 4096, 1]) writeAll(fd, Buffer.alloc(size, 1));
    } finally {
      closeSync(fd);
    }
  }

  free(): void {
    for (const name of readdirSync(this.root)) if (name.startsWith("taken")) rmSync(join(this.root, name));
  }

  [Symbol.dispose](): void {
    unmount(this.root, "detach");
    this.#directory[Symbol.dispose]();
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  try {
    for (;;) writeSync(fd, bytes);
  } catch {
    // Nothing is left.
  }
}

async function valuesOf(store: Store): Promise<string[]> {
  return (await store.all("SELECT value FROM meta WHERE key LIKE 'test%' ORDER BY key")).map((row) =>
    text(row, "value"),
  );
}

const insert = "INSERT INTO meta (key, value) VALUES (?, ?)";

/** Closes it in any case: an open database would keep this process. */
async function withStore<T>(store: Store, use: (store: Store) => Promise<T>): Promise<T> {
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

async function prepared(root: string, room: ReserveCalls): Promise<void> {
  await withStore(await Store.open(root, { room }), async (store) => {
    for (const key of ["test1", "test2"]) await store.run(insert, key, key);
  });
  assert.equal(statSync(join(root, "reserve")).size, 524_288);
}

async function assertWhole(root: string, room: ReserveCalls, expected: readonly string[]): Promise<void> {
  await withStore(await Store.open(root, { room }), async (store) => {
    assert.deepEqual(await valuesOf(store), expected);
    assert.deepEqual(await store.all("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
  });
  assert.equal(statSync(join(root, "reserve")).size, 524_288, "for the next time");
  assert.equal(existsSync(join(root, "klee.sqlite-wal")), false);
}

/**
 * @param kinds of want. On tmpfs of Linux a further name counts as an inode, which is so nowhere on FreeBSD.
 * @param hold a program that opens the store of its first argument, prints a line and stays: another klee.
 */
export function testRoom(
  kinds: readonly Kind[],
  room: ReserveCalls,
  hold: string,
  environment: NodeJS.ProcessEnv,
): void {
  for (const kind of kinds) {
    test(`with no ${kind} left, all is read, and changed again and again`, needs("root"), async () => {
      using small = new Small(kind);
      const { root } = small;
      await prepared(root, room);
      small.fill();
      assert.deepEqual(await withStore(await Store.open(root, { room, look: true }), valuesOf), ["test1", "test2"]);
      small.fill();
      await withStore(await Store.open(root, { room }), async (store) => {
        for (let index = 0; index < CHANGES; index++) {
          if (index % 10 === 0) small.fill();
          await store.transaction(async (statements) => {
            await statements.run("DELETE FROM meta WHERE key LIKE 'test%' AND key <> 'test1'");
            await statements.run(insert, "test3", String(index));
          });
        }
        assert.deepEqual(await valuesOf(store), ["test1", String(CHANGES - 1)]);
      });
      assert.ok(existsSync(join(root, "reserve")));
      small.free();
      await assertWhole(root, room, ["test1", String(CHANGES - 1)]);
    });

    test(`with no ${kind} left, several at once`, needs("root"), async () => {
      using small = new Small(kind);
      const { root } = small;
      await prepared(root, room);
      small.fill();
      const each = async (name: string): Promise<void> =>
        withStore(await Store.open(root, { room }), async (store) => {
          for (let index = 0; index < 10; index++) {
            await store.transaction((statements) =>
              statements.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", `test${name}`, String(index)),
            );
            small.fill();
          }
        });
      await Promise.all(["3", "4", "5"].map(each));
      small.free();
      await assertWhole(root, room, ["test1", "test2", "9", "9", "9"]);
    });

    for (const killed of [false, true])
      test(
        `with no ${kind} left while another one ${killed ? "was killed that had" : "has"} it open`,
        needs("root"),
        async () => {
          using small = new Small(kind);
          const { root } = small;
          await prepared(root, room);
          const other = spawn(process.execPath, ["--import", "tsx", hold, root], {
            stdio: ["ignore", "pipe", "inherit"],
            env: { ...process.env, ...environment },
          });
          try {
            await new Promise((resolve) => other.stdout.once("data", resolve));
            small.fill();
            if (killed) {
              other.kill("SIGKILL");
              await new Promise((resolve) => other.once("exit", resolve));
              small.fill();
            }
            await withStore(await Store.open(root, { room }), async (store) => {
              for (let index = 0; index < 50; index++)
                await store.run("UPDATE meta SET value = ? WHERE key = 'test2'", String(index));
              assert.deepEqual(await valuesOf(store), ["test1", "49", "held"]);
            });
          } finally {
            other.kill("SIGKILL");
          }
          if (other.signalCode === null) await new Promise((resolve) => other.once("exit", resolve));
          small.free();
          await assertWhole(root, room, ["test1", "49", "held"]);
        },
      );
  }

  test("on a read-only file system all is read, and a change is refused in words", needs("root"), async () => {
    using small = new Small("bytes");
    const { root } = small;
    await prepared(root, room);
    execFileSync("mount", ["-o", "remount,ro", root]);
    assert.deepEqual(await withStore(await Store.open(root, { room, look: true }), valuesOf), ["test1", "test2"]);
    await assert.rejects(Store.open(root, { room }), {
      code: "HOST",
      message: `the store ${root}/klee.sqlite is on a read-only file system, and this command changes it`,
    });
  });
}

export const holdProgram = fileURLToPath(new URL("room-holder.ts", import.meta.url));
