import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type {
  LaunchOptions,
  LinuxJail,
  Supervised,
  SupervisedExit,
  SupervisorProcess,
  SupervisorRun,
  SupervisorSpec,
} from "../../src/ffi/native.ts";
import { launch, waitCgroupEmpty } from "../../src/ffi/native.ts";

const APPLETS =
  "sh cat ls echo true false id env head tail dd wc stat sleep stty tty mount hostname readlink mkdir touch test kill grep nc ps chmod setsid ln od tr chroot";

export const cgroupRoot =
  /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1] ?? "";

let count = 0;

/** All that makes a container, and all that makes a process of it. */
type Run = SupervisorRun & NonNullable<LinuxJail["jail"]>;
type Command = SupervisorProcess & Pick<LinuxJail, "raw_sockets" | "network">;

interface SpecChanges {
  readonly process?: Partial<Command> | undefined;
  readonly run?: Partial<Run> | undefined;
}

type RunChanges = Partial<Pick<LaunchOptions, "stdin" | "stdout" | "stderr" | "heldFds">> & SpecChanges;

export interface Outcome extends SupervisedExit {
  readonly output: string;
}

/** A container made for one test: a busybox root, an overlay over it, cgroups, a lock, and a teardown that records. */
export class Jail {
  readonly directory = mkdtempSync(join(tmpdir(), "klee-test-native-"));
  readonly image = join(this.directory, "image");
  readonly mountpoint = join(this.directory, "root");
  readonly upper = join(this.directory, "upper");
  readonly work = join(this.directory, "work");
  readonly lock = join(this.directory, "lock");
  readonly record = join(this.directory, "record");
  readonly id = `${process.pid}x${count++}`;
  readonly group = join(cgroupRoot, `klee-test-${process.pid}`);
  readonly cgroup = join(this.group, this.id);
  readonly #supervised: Supervised[] = [];

  constructor() {
    for (const path of ["image/bin", "image/etc", "image/tmp", "root", "upper", "work"]) {
      mkdirSync(join(this.directory, path), { recursive: true });
    }
    copyFileSync("/usr/bin/busybox", join(this.image, "bin/busybox"));
    for (const applet of APPLETS.split(" ")) symlinkSync("busybox", join(this.image, "bin", applet));
    writeFileSync(join(this.image, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:80:81::/srv/web:/bin/ash\n");
    writeFileSync(join(this.image, "etc/group"), "root:x:0:\nwww:x:81:\nlog:x:4:web\n");
    writeFileSync(this.lock, "");
    mkdirSync(this.cgroup, { recursive: true });
    mkdirSync(join(this.cgroup, "init"));
    mkdirSync(join(this.cgroup, "payload"));
  }

  runSpec(changes: Partial<Run> = {}): Run {
    return {
      root: { lower: [this.image], upper: this.upper, work: this.work, mountpoint: this.mountpoint },
      hostname: "boxed",
      devfs: true,
      persist: false,
      mounts: [],
      lock: this.lock,
      record: join(this.directory, "run"),
      log: join(this.directory, "log"),
      console: null,
      teardown: ["/bin/sh", "-c", `echo "$$ $KLEE_ROOT" > ${this.record}.new && mv ${this.record}.new ${this.record}`],
      ...changes,
    };
  }

  spec(mode: "run" | "exec", argv: readonly string[], changes: SpecChanges = {}): SupervisorSpec {
    const { root, hostname, devfs, mounts, ...run } = this.runSpec(changes.run);
    const { raw_sockets, network, ...process }: Command = {
      argv,
      directory: null,
      env: ["PATH=/bin"],
      user: "root",
      raw_sockets: false,
      network: "addresses",
      terminal: null,
      shown: [false, false],
      ...changes.process,
    };
    const jail = mode === "run" ? { root, hostname, devfs, mounts } : null;
    return {
      mode,
      container: this.id,
      run: mode === "run" ? run : null,
      process,
      linux: { groups: [], cgroup_root: cgroupRoot, cgroup: this.cgroup, raw_sockets, network, jail },
    };
  }

  /** Starts the container with its first process; `exec` starts one more. */
  start(argv: readonly string[], changes: RunChanges = {}): Promise<Supervised> {
    return this.#launch("run", argv, changes);
  }

  exec(argv: readonly string[], changes: RunChanges = {}): Promise<Supervised> {
    return this.#launch("exec", argv, changes);
  }

  /** Runs a command to its end, with its output, and lets the container go. */
  async run(argv: readonly string[], changes: RunChanges = {}): Promise<Outcome> {
    return this.#collect("run", argv, changes);
  }

  async runInside(argv: readonly string[], changes: RunChanges = {}): Promise<Outcome> {
    return this.#collect("exec", argv, changes);
  }

  /** Runs a shell line. */
  async shell(line: string, changes: RunChanges = {}): Promise<string> {
    return (await this.run(["sh", "-c", line], changes)).output;
  }

  async #collect(mode: "run" | "exec", argv: readonly string[], changes: RunChanges): Promise<Outcome> {
    const path = join(this.directory, `output${count++}`);
    const file = openSync(path, "w");
    const supervised = await this.#launch(mode, argv, { stdout: file, stderr: file, ...changes }).finally(() =>
      // It is copied to by a descriptor of its own.
      closeSync(file),
    );
    const exit = await supervised.exited;
    await supervised.copied;
    if (mode === "run") await waitCgroupEmpty(this.cgroup, 5000);
    return { ...exit, output: readFileSync(path, "utf8") };
  }

  async #launch(mode: "run" | "exec", argv: readonly string[], changes: RunChanges): Promise<Supervised> {
    const { process, run, ...stdio } = changes;
    const options = { stdin: "null", stdout: "null", stderr: "null", ...stdio } as const;
    const shown = [options.stdout !== "null", options.stderr !== "null"] as const;
    const spec = this.spec(mode, argv, { process: { shown, ...process }, run });
    const supervised = await launch({ ...options, spec });
    this.#supervised.push(supervised);
    return supervised;
  }

  /** Kills what runs and removes all that was made. */
  async remove(): Promise<void> {
    writeFileSync(join(this.cgroup, "cgroup.kill"), "1");
    if (!(await waitCgroupEmpty(this.cgroup, 5000))) throw new Error(`${this.cgroup} does not become empty`);
    for (const path of ["init", "payload", ""]) rmdirSync(join(this.cgroup, path));
    for (const supervised of this.#supervised) {
      supervised.takenDown();
      supervised.close();
    }
    try {
      rmdirSync(this.group);
    } catch {
      // Another test of this file still has a container there.
    }
    // The program that takes the container down may be writing its record yet.
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }
}

/** Runs `body` with a container, and removes it whatever happens. */
export async function withJail<T>(body: (jail: Jail) => Promise<T>): Promise<T> {
  const jail = new Jail();
  try {
    return await body(jail);
  } finally {
    await jail.remove();
  }
}

/** Asks until the answer is there; fails at the deadline. */
export async function eventually<T>(what: string, ask: () => T | undefined, timeoutMs = 5000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(5);
  }
}
