import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { floorPath } from "./setup.ts";

/** The environment of every measured process: none of the caller's settings, some of which cost Node tens of ms. */
export const cleanEnvironment = (extra: Record<string, string> = {}): Record<string, string> => ({
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  TERM: "xterm",
  ...extra,
});

/** One of the C programs of `floors/`: it waits for a command, does the work, and answers with what it measured. */
export class Floor implements Disposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #name: string;
  #errors = "";

  constructor(name: string, args: readonly string[], environment: Record<string, string> = cleanEnvironment()) {
    this.#name = name;
    this.#child = spawn(floorPath(name), args, { stdio: ["pipe", "pipe", "pipe"], env: environment });
    this.#child.stderr?.on("data", (data: Buffer) => {
      this.#errors += data.toString();
    });
    // A program that ended is noticed by its missing answer.
    this.#child.stdin?.on("error", () => undefined);
    if (this.#child.stdout === null) throw new Error(`${name} has no output`);
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(command: string): Promise<string> {
    this.#child.stdin?.write(`${command}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`${this.#name}: ${this.#errors.trim() || "ended"}`);
    return value;
  }

  /** The answer in nanoseconds. */
  async nanoseconds(command: string): Promise<number> {
    return Number(await this.ask(command));
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}

/** Runs whole processes to their end, timed by a small C program, so that Node's own spawn is no part of it. */
export class Spawner implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), "klee-bench-output-"));
  readonly #output = join(this.#directory, "output");
  readonly #floor: Floor;

  /** @param where cgroup2: in a mount namespace with version 2 of the cgroups alone, which the peers expect. */
  constructor(options: { readonly where?: "cgroup2"; readonly environment?: Record<string, string> } = {}) {
    const { where, environment } = options;
    this.#floor = new Floor("spawn", [this.#output, ...(where === undefined ? [] : [where])], environment);
  }

  /** @returns milliseconds. @throws with what the program printed, when it fails. */
  async run(argv: readonly string[]): Promise<number> {
    const [nanoseconds, status] = (await this.#floor.ask(argv.join("\t"))).split(" ");
    if (status !== "0") {
      const words = this.output.trim().split("\n").at(-1);
      throw new Error(`${argv[0]?.split("/").at(-1)} failed: ${words || `exit status ${status}`}`);
    }
    return Number(nanoseconds) / 1e6;
  }

  /** What the last program printed. */
  get output(): string {
    return readFileSync(this.#output, "utf8");
  }

  [Symbol.dispose](): void {
    this.#floor[Symbol.dispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
