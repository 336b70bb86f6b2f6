import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { compiled } from "../support/compile.ts";

export const INET = 2;
export const INET6 = 10;
export const STREAM = 1;
export const DGRAM = 2;
export const RAW = 3;

const program = compiled(new URL("probe.c", import.meta.url), "c11", "-Wno-format-security");

/** A process that makes socket calls, inside a cgroup or outside of all containers. */
export class Probe {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  /** @param cgroup directory to enter before the first call; none: stays where the test is. */
  static async start(cgroup?: string): Promise<Probe> {
    const argument = cgroup === undefined ? "-" : join(cgroup, "cgroup.procs");
    const child = spawn(program(), [argument], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const probe = new Probe(child, lines);
    const first = await probe.#line();
    if (first !== "ready") throw new Error(`the probe did not start: ${first}`);
    return probe;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Makes one call; `ok`, with what it gives, or the errno's name. */
  async ask(...words: readonly (string | number)[]): Promise<string> {
    this.#child.stdin?.write(`${words.join(" ")}\n`);
    return this.#line();
  }

  /** Makes a socket, which must succeed. */
  async socket(family: number, type: number, protocol = 0): Promise<number> {
    const answer = await this.ask("socket", family, type, protocol);
    const fd = /^ok (\d+)$/.exec(answer)?.[1];
    if (fd === undefined) throw new Error(`socket ${family} ${type} ${protocol}: ${answer}`);
    return Number(fd);
  }

  /** A socket that is bound, and listens when it is one for TCP. */
  async server(family: number, type: number, address: string, port: number): Promise<number> {
    const fd = await this.socket(family, type);
    await this.must("bind", fd, address, port);
    if (type === STREAM) await this.must("listen", fd);
    return fd;
  }

  /** A call that must succeed. */
  async must(...words: readonly (string | number)[]): Promise<string> {
    const answer = await this.ask(...words);
    if (!answer.startsWith("ok")) throw new Error(`${words.join(" ")}: ${answer}`);
    return answer;
  }

  /** Result of connecting a new socket. */
  async tries(family: number, type: number, address: string, port: number): Promise<string> {
    const fd = await this.socket(family, type);
    const answer = await this.ask("connect", fd, address, port);
    await this.ask("close", fd);
    return answer;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the probe has ended");
    return value as string;
  }
}
