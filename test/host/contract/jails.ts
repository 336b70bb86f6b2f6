import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import type { CommandSpec, JailProcess, JailSpec } from "../../../src/kleene/host/host.ts";
import { waitUntil } from "../../support/machine.ts";
import type { World } from "./world.ts";

const id = "aaaabbbbcccc";
const SIGKILL = 9;
const DEADLINE_MS = 5000;

/** Of the processes of this machine. */
function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        // It ended meanwhile.
        return "";
      }
    });
}

/** What the domain relies on in every host's `Jails` and `Storage`. */
export function jailsContract({ host, root, rootFilesystem, folder }: World): void {
  const { jails, storage } = host;
  mkdirSync(root, { recursive: true });
  const lockPath = join(root, "lock");
  let dataset = "";

  before(async () => {
    writeFileSync(lockPath, "");
    const source = rootFilesystem();
    symlinkSync("../../../../var/made/deep", join(source, "up"));
    symlinkSync("round", join(source, "round"));
    dataset = await storage.createImage(root, "111122223333", { method: "dir", source });
    await storage.createContainer(root, id, dataset);
  });
  const started: JailProcess[] = [];
  const track = (process: JailProcess): JailProcess => {
    started.push(process);
    return process;
  };
  afterEach(async () => {
    // One that a failed test left would keep this process waiting for ever.
    for (const process of started.splice(0)) process.release();
    await jails.remove(id);
    assert.equal(jails.exists(id), false);
    assert.equal(jails.running().has(id), false);
  });
  after(async () => {
    await storage.removeContainer(root, id);
    await storage.removeContainer(root, id);
    await storage.removeImage(root, "111122223333");
    await storage.removeImage(root, "111122223333");
  });

  const spec = (parameters: readonly string[] = []): JailSpec => ({
    id,
    access: "host",
    addresses: { internal: false, ipv4: [], ipv6: [] },
    parameters: jails.parseParameters(parameters, id),
    limits: { cpus: null, memory: null, pids: null, ports: null },
    root: storage.rootOf(root, id, dataset),
    resolver: { text: undefined, nameservers: 0, record: join(root, "resolv.conf") },
    mounts: [],
    logPath: join(root, "log"),
    console: undefined,
    recordPath: join(root, "record"),
    lockPath,
    teardown: [process.execPath, "--version"],
  });

  const command = (line: string, output: number | "null" = "null"): CommandSpec => ({
    argv: ["/bin/sh", "-c", line],
    directory: "",
    env: ["PATH=/bin:/usr/bin:/sbin:/usr/sbin"],
    user: "root",
    rawSockets: false,
    access: "host",
    stdio: { stdin: "null", stdout: output, stderr: "null" },
  });

  const run = (): string => jails.runOf(id) ?? assert.fail("it does not run");

  /** Runs `use` with a file as output, and returns what was written to it. */
  async function outputOf(use: (file: number) => Promise<JailProcess>): Promise<string> {
    const path = join(root, "output");
    const file = openSync(path, "w");
    try {
      const process = await use(file);
      await process.exited;
      await process.copied;
      process.release();
    } finally {
      closeSync(file);
    }
    return readFileSync(path, "utf8");
  }

  test("a command runs in a jail of its own name, and its status comes back", async () => {
    const first = track(await jails.start(spec(), command("exit 7")));
    assert.deepEqual(await first.exited, { status: 7, jailEmpty: true });
    assert.deepEqual(readFileSync(join(root, "record"), "utf8").trimEnd().split("\n"), [String(first.pid), "7"]);
    await jails.remove(id);
    assert.equal(await outputOf((file) => jails.start(spec(), command("hostname", file))), `${id}\n`);
  });

  test("a jail that runs is listed, takes further commands, and ends with its last process", async () => {
    const first = track(await jails.start(spec(), command("exec sleep 1000")));
    const jid = jails.running().get(id);
    assert(jid !== undefined && jid > 0);
    assert.equal(jails.exists(id), true);
    assert.deepEqual(jails.unattended([id, "ffffffffffff"]), ["ffffffffffff"]);
    assert.equal(await outputOf((file) => jails.exec(id, run(), command("echo inside", file))), "inside\n");
    const second = track(await jails.exec(id, run(), command("exit 3")));
    assert.deepEqual(await second.exited, { status: 3, jailEmpty: false });
    assert.equal(await jails.waitEmpty(id, 10), false);
    assert.equal(jails.signal(id, process.pid, 0), false, "not of the jail");
    assert.equal(jails.signal(id, first.pid, 0), true);
    jails.signalAll(id, SIGKILL);
    assert.equal(await jails.waitEmpty(id, DEADLINE_MS), true);
    assert.deepEqual(await first.exited, { status: 128 + SIGKILL, jailEmpty: true });
  });

  test("a further command enters the run that is meant, and no later one of the same name", async () => {
    const first = track(await jails.start(spec(), command("exec sleep 1000")));
    const earlier = run();
    await jails.remove(id);
    await first.exited.catch(() => undefined);
    assert.equal(jails.runOf(id), undefined);
    track(await jails.start(spec(), command("exec sleep 1000")));
    assert.notEqual(run(), earlier);
    await assert.rejects(jails.exec(id, earlier, command("true")), /cannot run a command/);
  });

  test("removal kills what runs; a second one does nothing", async () => {
    const first = track(await jails.start(spec(), command("exec sleep 1000")));
    await jails.remove(id);
    await jails.remove(id);
    assert.equal(jails.running().has(id), false);
    await first.exited.catch(() => undefined);
  });

  test("who goes after the end leaves the rest to the supervisor, unless it has done it", async () => {
    const done = join(root, "teardown");
    const watched = { ...spec(), teardown: ["/bin/sh", "-c", `echo >${done}`] };
    const supervised = (): boolean => commandLines().some((line) => line.includes(id) || line.includes(done));
    const first = track(await jails.start(watched, command("true")));
    assert.equal((await first.exited).jailEmpty, true);
    assert.equal(existsSync(done), false);
    first.release();
    waitUntil(() => existsSync(done), "the supervisor's part");
    waitUntil(() => !supervised(), "its end");
    rmSync(done);
    await jails.remove(id);
    const second = track(await jails.start(watched, command("true")));
    await second.exited;
    await jails.remove(id);
    second.takenDown();
    second.release();
    waitUntil(() => !supervised(), "the end of the second supervisor");
    assert.equal(existsSync(done), false);
    const third = track(await jails.start(watched, command("true")));
    await third.exited;
    await jails.remove(id);
    third.release();
    waitUntil(() => existsSync(done), "the part that was cut off after the removal of the jail");
  });

  test("a persistent jail stays without a process", async () => {
    const first = track(await jails.start(spec(["persist"]), command("exit 0")));
    assert.deepEqual(await first.exited, { status: 0, jailEmpty: false });
    assert.equal(jails.running().has(id), true);
    assert.equal(await outputOf((file) => jails.exec(id, run(), command("echo again", file))), "again\n");
  });

  test("a command that is not there, or is no program: told apart, and nothing is left", async () => {
    const missing = { ...command(""), argv: ["/nosuch"] };
    await assert.rejects(jails.start(spec(), missing), { code: "COMMAND_NOT_FOUND" });
    assert.equal(jails.exists(id), false);
    const noProgram = { ...command(""), argv: ["/etc/passwd"] };
    await assert.rejects(jails.start(spec(), noProgram), { code: "COMMAND_NOT_EXECUTABLE" });
    assert.equal(jails.exists(id), false);
    const nobody = { ...command("true"), user: "nosuchuser" };
    await assert.rejects(jails.start(spec(), nobody), { code: "INVALID", message: /nosuchuser/ });
    assert.equal(jails.exists(id), false);
  });

  test("parameters: defaults, forms, and what is malformed", () => {
    const parameters = jails.parseParameters(["allow.raw_sockets", 'exec.stop="/bin/sh /etc/rc.shutdown jail"'], id);
    assert.equal(parameters.rawSockets, true);
    assert.equal(parameters.hostname, id);
    assert.equal(parameters.execStop, "/bin/sh /etc/rc.shutdown jail");
    assert.equal(jails.parseParameters(["allow.noraw_sockets"], id).rawSockets, false);
    assert.equal(jails.parseParameters(["host.hostname=web"], id).hostname, "web");
    for (const parameter of ["", "=x", "allow.raw_sockets=maybe", "host.hostname"])
      assert.throws(() => jails.parseParameters([parameter], id), { code: "INVALID" }, parameter);
    assert.throws(() => jails.parseParameters(["no.such_parameter"], id), { code: "UNSUPPORTED" });
  });

  /** The container with a directory that holds the file `given`, mounted. */
  const mounted = (destination: string): JailSpec => {
    const source = folder();
    writeFileSync(join(source, "given"), "given\n");
    return { ...spec(), mounts: [{ container_id: id, destination, source, read_only: true, type: "nullfs" }] };
  };

  test("a mount on a link to what is not there is made within the container's root", async () => {
    const read = command("cat /var/made/deep/given; ls -d /up");
    assert.equal(
      await outputOf((file) => jails.start(mounted("/up"), { ...read, stdio: { ...read.stdio, stdout: file } })),
      "given\n/up\n",
    );
    assert.equal(existsSync("/var/made"), false);
  });

  test("a mount that cannot be is refused in words", async () => {
    await assert.rejects(jails.start(mounted("/etc/passwd"), command("true")), {
      message: /cannot mount on \/etc\/passwd: .* directory.*; give another destination$/,
    });
    await assert.rejects(jails.start(mounted("/round/x"), command("true")), {
      message: /ELOOP|too many symbolic links/,
    });
    assert.equal(jails.exists(id), false);
  });
}
