import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { type Finished, waitUntil } from "./machine.ts";
import { buildRoot } from "./rootfs.ts";

/** A host to run klee on. */
export interface StrayHost {
  readonly root: string;
  folder(name: string): string;
  klee(args: readonly string[]): Finished;
}

/** What `klee system check` must tell, and `rm`, `cleanup` and the next command put right, whoever did it. */
export function strayCases(host: StrayHost, gate: { readonly skip: string | false }): void {
  function ok(...args: string[]): string {
    const { status, stdout, stderr } = host.klee(args);
    assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
    return stdout;
  }
  /** Without what it advises an administrator. */
  const check = (): Finished => {
    const found = host.klee(["system", "check"]);
    return { ...found, stdout: found.stdout.replace(/^note: .*\n/gm, "") };
  };
  const idOf = (name: string): string => JSON.parse(ok("isc", name)).container.id;
  const status = (name: string): string | undefined =>
    (ok("lsc", "-a", "--format", "json").match(new RegExp(`"name": ?"${name}"[^}]*"status": ?"(\\w+)"`)) ?? [])[1];

  /** Kills the supervisor of a container; then, if wanted, its first process. */
  function killSupervisor(name: string, payload: boolean): void {
    const pid = Number(readFileSync(join(host.root, "runs", idOf(name)), "utf8").split("\n")[0]);
    const parent = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    assert.match(readFileSync(`/proc/${parent}/cmdline`, "utf8"), /^klee-supervisor/);
    process.kill(parent, "SIGKILL");
    if (payload) process.kill(pid, "SIGKILL");
  }

  before(() => {
    if (gate.skip) return;
    buildRoot(host.folder("rootfs"), ["sh", "sleep", "true"]);
    ok("image", "create", "dir", host.folder("rootfs"), "-t", "box");
    ok("network", "create", "--subnet", "10.2.3.0/24", "net");
  });

  test("a supervisor that was killed is told of, and the end after it is seen; a policy is not forgotten", gate, () => {
    ok("run", "-d", "-n", "net", "--name", "left", "box", "sleep", "1000");
    assert.equal(check().stdout, "");
    killSupervisor("left", false);
    const { status: found, stdout } = check();
    assert.notEqual(found, 0);
    assert.match(stdout, /^the supervisor of container left \([0-9a-f]+\) was killed: [^\n]+\n$/);
    ok("rmc", "-f", "left");
    ok("run", "-d", "--restart", "always", "-n", "net", "--name", "again", "box", "sleep", "1000");
    const first = readFileSync(join(host.root, "runs", idOf("again")), "utf8");
    killSupervisor("again", true);
    assert.notEqual(status("again"), "running");
    waitUntil(() => status("again") === "running", "its next run");
    assert.notEqual(readFileSync(join(host.root, "runs", idOf("again")), "utf8"), first);
    ok("rmc", "-f", "again");
    assert.equal(check().stdout, "");
  });

  test("files of a container or an image that are gone are told of; both can be removed", gate, () => {
    buildRoot(host.folder("other"), ["sh", "true"]);
    ok("image", "create", "dir", host.folder("other"), "-t", "lost");
    ok("create", "--name", "hollow", "box", "true");
    const image = JSON.parse(ok("image", "inspect", "lost")) as { id?: string; image?: { id: string } };
    rmSync(join(host.root, "containers", idOf("hollow")), { recursive: true });
    rmSync(join(host.root, "images", image.id ?? image.image?.id ?? "none"), { recursive: true });
    const { stdout } = check();
    assert.match(stdout, /^the files of container hollow \([0-9a-f]+\) are gone: /m);
    assert.match(stdout, /^the files of image lost \([0-9a-f]+\) are gone: /m);
    ok("rmc", "hollow");
    ok("rmi", "lost");
    assert.equal(check().stdout, "");
  });

  test("what another store has is nobody's stray: cleanup leaves it alone", gate, () => {
    ok("run", "-d", "-l", "host", "--name", "mine", "box", "sleep", "1000");
    const other = host.folder("other-store");
    assert.equal(host.klee(["--root", other, "system", "check"]).stdout.replace(/^note: .*\n/gm, ""), "");
    assert.equal(host.klee(["--root", other, "system", "cleanup", "-f"]).status, 0);
    assert.equal(status("mine"), "running");
    ok("rmc", "-f", "mine");
  });

  test("a database that was deleted under a running container: check tells, cleanup removes what it can", gate, () => {
    ok("run", "-d", "-n", "net", "--name", "orphan", "box", "sleep", "1000");
    const id = idOf("orphan");
    const pid = Number(readFileSync(join(host.root, "runs", id), "utf8").split("\n")[0]);
    for (const file of readdirSync(host.root)) if (file.startsWith("klee.sqlite")) rmSync(join(host.root, file));
    assert.match(check().stdout, new RegExp(`^the store does not know container ${id}, which runs; `, "m"));
    const { status: cleaned, stdout, stderr } = host.klee(["system", "cleanup", "-f"]);
    assert.equal(cleaned, 0, stderr);
    assert.match(stdout, new RegExp(`container ${id}`));
    assert.match(stderr, /interface kleene\d+ is of a network [0-9a-f]+ that this store does not know/);
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    assert.deepEqual(readdirSync(join(host.root, "containers")), []);
    assert.doesNotMatch(check().stdout, /does not know/);
  });
}
