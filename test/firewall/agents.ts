import { execFileSync, spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Machine, waitUntil } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";

/** What an agent said of a connection: `ok ADDRESS`, `timeout`, or an errno's name. */
export type Answer = string;

const source = fileURLToPath(new URL("./agent.c", import.meta.url));

/** Peers on a machine that answer connections and try them on command: on the host, outside, and in containers. */
export class Agents {
  readonly #machine: Machine;
  readonly #program: string;
  readonly #sockets: string;

  /** Builds the agent, and an image `agent` with it. */
  constructor(machine: Machine) {
    this.#machine = machine;
    this.#sockets = machine.folder("sockets");
    const rootfs = machine.folder("rootfs");
    buildRoot(rootfs, ["sh"]);
    this.#program = join(rootfs, "bin", "agent");
    execFileSync("cc", ["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", this.#program, source]);
    machine.run("mkdir", "-p", join(rootfs, "sockets"));
    this.#klee("image", "create", "dir", rootfs, "-t", "agent");
  }

  /** Starts one on the host, which serves these addresses. */
  onHost(name: string, port: number, ...addresses: readonly string[]): void {
    this.#forget(name);
    const child = spawn(this.#program, [this.#socketOf(name), String(port), ...addresses], { stdio: "inherit" });
    this.#machine.track(child);
    this.#awaitSocket(name);
  }

  outside(name: string, port: number, ...addresses: readonly string[]): void {
    this.#machine.spawnOutside(this.#program, [this.#socketOf(name), String(port), ...addresses], "ignore");
    this.#awaitSocket(name);
  }

  /** Starts a container of this name with one in it. */
  inContainer(name: string, options: readonly string[], port: number, ...addresses: readonly string[]): void {
    this.#forget(name);
    const command = ["agent", `/sockets/${name}`, String(port), ...addresses];
    this.#klee("run", "-d", "--name", name, "-m", `${this.#sockets}:/sockets`, ...options, "agent", ...command);
    this.#awaitSocket(name);
  }

  /**
   * Has a peer connect to an address.
   * @param from the port to do so from; default: any.
   */
  ask(name: string, protocol: "tcp" | "udp", address: string, port: number, from?: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let answer = "";
      const socket = connect(this.#socketOf(name));
      socket.setEncoding("utf8");
      socket.on("data", (data) => {
        answer += data;
      });
      socket.on("end", () => resolve(named(answer)));
      socket.on("error", reject);
      socket.write(`${protocol} ${address} ${port} ${from ?? ""}`);
    });
  }

  #socketOf(name: string): string {
    return join(this.#sockets, name);
  }

  /** Starts a container again that was stopped. */
  restart(name: string): void {
    this.#forget(name);
    this.#klee("start", "-d", name);
    this.#awaitSocket(name);
  }

  #forget(name: string): void {
    rmSync(this.#socketOf(name), { force: true });
  }

  #awaitSocket(name: string): void {
    waitUntil(() => existsSync(this.#socketOf(name)), `the agent ${name}`);
  }

  #klee(...args: readonly string[]): void {
    const { status, stderr } = this.#machine.klee(args);
    if (status !== 0) throw new Error(`klee ${args.join(" ")}: ${stderr}`);
  }
}

/** Puts an errno's name in place of its number. */
function named(answer: string): Answer {
  if (!/^\d+$/.test(answer)) return answer;
  const [name] = Object.entries(constants.errno).find(([, number]) => number === Number(answer)) ?? [answer];
  return name;
}
