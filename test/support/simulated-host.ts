import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openLibrary } from "../../src/ffi/library.ts";
import { type Finished, kleeCommand, type Started } from "./machine.ts";
import { enterMountNamespace } from "./namespaces.ts";
import { Judge, type Packet, type Verdict } from "./simulated-pf.ts";
import { SIMULATOR, type SimulatedMachine, Simulator } from "./simulator.ts";

/** What of the simulated kernel's state tests look at; `native/sim/src/kernel.rs` has all of it. */
export interface SimulatedState {
  readonly interfaces: readonly {
    readonly name: string;
    readonly driver: string;
    readonly unit: number;
    readonly description: string | null;
    readonly groups: readonly string[];
    readonly addresses: readonly { readonly ip: string; readonly prefix: number }[];
  }[];
  readonly jails: readonly {
    readonly jid: number;
    readonly name: string;
    readonly path: string;
    readonly ip4: readonly string[];
    readonly ip6: readonly string[];
    readonly ints: Readonly<Record<string, number>>;
    readonly bools: Readonly<Record<string, boolean>>;
    readonly texts: Readonly<Record<string, string>>;
    readonly dying_until: number | null;
  }[];
  readonly mounts: readonly { readonly kind: string; readonly source: string; readonly path: string }[];
  /** rctl(4) rules. */
  readonly limits: readonly string[];
  readonly datasets: Readonly<
    Record<string, { readonly origin: string | null; readonly snapshots: readonly string[] }>
  >;
  readonly pf: { readonly anchors: Readonly<Record<string, SimulatedAnchor>> };
}

interface SimulatedAnchor {
  readonly rulesets: readonly {
    readonly active: readonly unknown[];
    readonly inactive: readonly unknown[];
    readonly open: boolean;
  }[];
  readonly tables?: Readonly<Record<string, { readonly active: boolean; readonly defined?: unknown }>>;
  readonly tables_open: boolean;
}

/** Paths of the anchors that hold something, or are being changed: pf lists others until it frees what was in them. */
export function filledAnchors({ pf }: SimulatedState): string[] {
  const isFilled = ({ rulesets, tables = {}, tables_open }: SimulatedAnchor): boolean =>
    tables_open ||
    rulesets.some(({ active, inactive, open }) => open || active.length + inactive.length > 0) ||
    Object.values(tables).some(({ active, defined }) => active || defined !== undefined);
  return Object.keys(pf.anchors).filter((path) => isFilled(pf.anchors[path] as SimulatedAnchor));
}

/** klee's command line on a simulated FreeBSD host: this process's mount namespace, and a kernel that is a model. */
export class SimulatedHost implements Disposable {
  readonly simulator: Simulator;
  readonly root: string;
  readonly #judge = new Judge();
  readonly #state: (path: string) => number;
  #outputs = 0;

  constructor(machine: SimulatedMachine) {
    enterMountNamespace();
    this.simulator = new Simulator(machine);
    this.simulator.use();
    this.root = join(this.simulator.directory, "store");
    this.#state = openLibrary("freebsd-sim", [SIMULATOR]).func("int sim_state(const char *path)");
  }

  get directory(): string {
    return this.simulator.directory;
  }

  /** Runs a program of this machine; a failure is an error. Returns what it printed. */
  run(program: string, ...args: string[]): string {
    return execFileSync(program, args, { encoding: "utf8" });
  }

  environment(): NodeJS.ProcessEnv {
    return {
      PATH: process.env.PATH,
      HOME: this.simulator.directory,
      TERM: "xterm",
      KLEE_ROOT: this.root,
      ...this.simulator.environment,
    };
  }

  /** Runs klee to its end. */
  klee(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Finished {
    const { status, stdout, stderr } = spawnSync(process.execPath, [kleeCommand, ...args], {
      env: { ...this.environment(), ...environment },
      encoding: "utf8",
      timeout: 60_000,
    });
    return { status: status ?? 128, stdout, stderr };
  }

  /** Runs klee to its end with one file as both its outputs. */
  kleeInOrder(args: readonly string[]): { readonly status: number; readonly output: string } {
    const path = this.#outputFile();
    const file = openSync(path, "a");
    const { status } = spawnSync(process.execPath, [kleeCommand, ...args], {
      env: this.environment(),
      stdio: ["ignore", file, file],
      timeout: 60_000,
    });
    return { status: status ?? 128, output: readFileSync(path, "utf8") };
  }

  /** Starts klee and returns at once. */
  startKlee(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Started {
    const path = this.#outputFile();
    const file = openSync(path, "a");
    const child = spawn(process.execPath, [kleeCommand, ...args], {
      env: { ...this.environment(), ...environment },
      stdio: ["ignore", file, file],
    });
    const ended = new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 128)));
    return { child, ended, output: () => readFileSync(path, "utf8") };
  }

  state(): SimulatedState {
    this.simulator.use();
    const path = join(this.simulator.directory, "state.json");
    if (this.#state(path) !== 0) throw new Error("the simulator does not tell its state");
    return JSON.parse(readFileSync(path, "utf8")) as SimulatedState;
  }

  /** What the loaded rules make of a packet that begins a connection. */
  judge(packet: Packet): Verdict {
    this.simulator.use();
    this.#judge.forget();
    return this.#judge.judge(packet);
  }

  folder(name: string): string {
    const path = join(this.simulator.directory, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  #outputFile(): string {
    this.#outputs += 1;
    return join(this.simulator.directory, `output-${this.#outputs}`);
  }

  [Symbol.dispose](): void {
    this.klee(["system", "cleanup", "-f"]);
    this.simulator[Symbol.dispose]();
  }
}
