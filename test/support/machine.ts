import { strict as assert } from "node:assert";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isPrivileged } from "../../scripts/privileges.mjs";
import { isOnFileSystem, mount, unmount } from "../../src/ffi/linux/mount.ts";
import { demandsAll } from "./gate.ts";
import { enterMountNamespace, enterNetworkNamespace } from "./namespaces.ts";

/** Addresses of the documentation ranges: RFC 5737, RFC 3849. */
export const GATEWAY = "192.0.2.2";
export const GATEWAY6 = "2001:db8::2";
export const OUTSIDE = "192.0.2.1";
export const OUTSIDE6 = "2001:db8::1";
export const GATEWAY_INTERFACE = "em0";

const kleePath = fileURLToPath(new URL("../../dist/klee.cjs", import.meta.url));

export interface Finished {
  /** Exit status; 128 when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A klee under way. */
export interface Started {
  readonly child: ChildProcess;
  /** Its exit status, once it has one; 128 when a signal ended klee itself. */
  readonly ended: Promise<number>;
  /** What it printed so far, both streams in order. */
  readonly output: () => string;
}

/**
 * A machine to run klee on: this process in network and mount namespaces of its own, with a gateway interface em0 and,
 * behind it, an outside network in a namespace of its own. All of it goes with this process.
 */
export class Machine implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), "klee-machine-"));
  readonly root = join(this.directory, "store");
  readonly #outside: ChildProcess | undefined;
  readonly #children = new Set<ChildProcess>();
  #outputs = 0;
  #disposed = false;
  #isMounted = false;

  constructor() {
    // However this process ends, short of SIGKILL: an uncaught error, a reader of its output that went away, a test's
    // time that is over.
    process.once("exit", () => this[Symbol.dispose]());
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
    // No test uses it there: gate.ts.
    if (!demandsAll && !isPrivileged()) return;
    enterNetworkNamespace();
    enterMountNamespace();
    // In another container, as Docker's: no overlay takes the layers of one.
    if (isOnFileSystem(this.directory, "overlay")) {
      mount({ source: "none", target: this.directory, type: "tmpfs", data: "mode=700" });
      this.#isMounted = true;
    }
    const unshared = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
    this.#outside = unshared;
    waitUntil(() => namespaceOf(unshared.pid) !== namespaceOf(process.pid), "the outside namespace");
    const outside = String(unshared.pid);
    this.run("ip", "link", "set", "lo", "up");
    this.run("ip", "link", "add", GATEWAY_INTERFACE, "type", "veth", "peer", "name", "out0", "netns", outside);
    this.run("ip", "address", "add", `${GATEWAY}/24`, "dev", GATEWAY_INTERFACE);
    this.run("ip", "-6", "address", "add", `${GATEWAY6}/64`, "dev", GATEWAY_INTERFACE, "nodad");
    this.run("ip", "link", "set", GATEWAY_INTERFACE, "up");
    this.runOutside("ip", "link", "set", "lo", "up");
    this.runOutside("ip", "address", "add", `${OUTSIDE}/24`, "dev", "out0");
    this.runOutside("ip", "-6", "address", "add", `${OUTSIDE6}/64`, "dev", "out0", "nodad");
    this.runOutside("ip", "link", "set", "out0", "up");
    this.run("ip", "route", "add", "default", "via", OUTSIDE);
    this.run("ip", "-6", "route", "add", "default", "via", OUTSIDE6);
    this.#useResolver();
  }

  /** The machine's own resolv.conf, over the real one in this mount namespace alone. */
  #useResolver(): void {
    const file = join(this.directory, "resolv.conf");
    writeFileSync(file, `nameserver ${OUTSIDE}\noptions timeout:2 attempts:2\n`);
    mount({ source: file, target: "/etc/resolv.conf", flags: ["bind"] });
  }

  /** A process in the outside network's namespace. */
  get outsidePid(): number | undefined {
    return this.#outside?.pid;
  }

  /** Runs a program on the machine; a failure is an error. Returns what it printed. */
  run(program: string, ...args: string[]): string {
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  runOutside(program: string, ...args: string[]): string {
    return this.run("nsenter", ...this.#outsideArguments(program, args));
  }

  spawnOutside(program: string, args: readonly string[], stdio: "ignore" | "pipe" = "pipe"): ChildProcess {
    const child = spawn("nsenter", this.#outsideArguments(program, args), { stdio });
    this.#children.add(child);
    return child;
  }

  /** Ends a process with the machine. */
  track(child: ChildProcess): void {
    this.#children.add(child);
  }

  #outsideArguments(program: string, args: readonly string[]): string[] {
    return ["--net", `--target=${this.#outside?.pid}`, program, ...args];
  }

  /** Runs klee to its end, with `input` on its standard input. */
  klee(args: readonly string[], input = ""): Finished {
    const result = spawnSync(process.execPath, [kleePath, ...args], {
      env: this.environment(),
      input,
      encoding: "utf8",
      stdio: ["pipe", "pipe", "pipe"],
      maxBuffer: 1 << 28,
      timeout: 60_000,
    });
    return { status: result.status ?? 128, stdout: result.stdout, stderr: result.stderr };
  }

  /** Runs klee, which has to succeed. Returns what it printed. */
  readonly ok = (...args: string[]): string => {
    const { status, stdout, stderr } = this.klee(args);
    assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  };

  /** Runs klee to its end with one file as both its outputs: the order in which they were written is kept. */
  kleeInOrder(args: readonly string[]): { readonly status: number; readonly output: string } {
    const path = this.#outputFile();
    const file = openSync(path, "a");
    const { status } = spawnSync(process.execPath, [kleePath, ...args], {
      env: this.environment(),
      stdio: ["ignore", file, file],
      timeout: 60_000,
    });
    return { status: status ?? 128, output: readFileSync(path, "utf8") };
  }

  /** Starts klee and returns at once; `output` reads what it printed so far. */
  startKlee(args: readonly string[]): Started {
    const path = this.#outputFile();
    const file = openSync(path, "a");
    const child = spawn(process.execPath, [kleePath, ...args], {
      env: this.environment(),
      stdio: ["ignore", file, file],
    });
    this.#children.add(child);
    const ended = new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 128)));
    return { child, ended, output: () => readFileSync(path, "utf8") };
  }

  environment(): NodeJS.ProcessEnv {
    return { PATH: process.env.PATH, HOME: this.directory, TERM: "xterm", KLEE_ROOT: this.root };
  }

  /** A new directory of the machine's, for a test's files. */
  folder(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  #outputFile(): string {
    this.#outputs += 1;
    return join(this.directory, `output-${this.#outputs}`);
  }

  /** Takes away all that klee made, and ends what the machine started. */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    if (this.#outside !== undefined) this.klee(["system", "cleanup", "-f"]);
    for (const child of this.#children) child.kill("SIGKILL");
    this.#outside?.kill("SIGKILL");
    if (this.#isMounted) unmount(this.directory, "detach");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export const kleeCommand = kleePath;

function namespaceOf(pid: number | undefined): string | undefined {
  try {
    return spawnSync("readlink", [`/proc/${pid}/ns/net`], { encoding: "utf8" }).stdout;
  } catch {
    return undefined;
  }
}

/** Waits for a condition, looking again every few milliseconds; an error after ten seconds. */
export function waitUntil(condition: () => boolean, what: string): void {
  const deadline = Date.now() + 10_000;
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}`);
    Atomics.wait(cell, 0, 0, 5);
  }
}
