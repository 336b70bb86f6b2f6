import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { waitUntil } from "./machine.ts";

/** What the set-up of the tests builds: the simulator of a FreeBSD kernel, and klee's native part for it. */
const NATIVE = fileURLToPath(new URL("../../native/target/sim", import.meta.url));
export const SIMULATOR = join(NATIVE, "libfreebsd_sim.so");

export type SimulatedRelease = 12 | 14 | 15;

/** The machine as it boots; `native/sim/src/kernel.rs` has the same shape. All is optional. */
export interface SimulatedMachine {
  /** What KLEE_SIM_RELEASE says, or else 15, unless told: 12 is 12.1, 14 is 14.2, 15 is 15.1. */
  readonly release?: SimulatedRelease;
  readonly hostname?: string;
  readonly interfaces?: readonly SimulatedInterface[];
  /** Name of the interface of the default route. */
  readonly default4?: string;
  readonly default6?: string;
  /** The routers there. */
  readonly gateway4?: string;
  readonly gateway6?: string;
  /** Machines on the networks of the interfaces; those that are known are in the kernel's table. */
  readonly neighbours?: readonly {
    readonly interface: string;
    readonly ip: string;
    readonly link: readonly number[];
    readonly known?: boolean;
  }[];
  /** pf is loaded and filters. */
  readonly pf?: boolean;
  readonly racct?: boolean;
  /** Datasets with their mount points. */
  readonly datasets?: Readonly<Record<string, string>>;
  /** The host's devfs rulesets are loaded. */
  readonly devfs?: boolean;
  readonly modules?: readonly string[];
  /** Directories that are there beside this system's, where mounts are not real. */
  readonly directories?: readonly string[];
  /** Mounts, roots and signals are real ones of this system; else only the model knows of them. */
  readonly real?: boolean;
}

export interface SimulatedInterface {
  readonly name: string;
  readonly index: number;
  readonly driver: string;
  readonly flags: number;
  readonly groups?: readonly string[];
  /** Its hardware address. */
  readonly link?: readonly number[];
  readonly addresses: readonly { readonly ip: string; readonly prefix: number; readonly broadcast?: string }[];
}

const RELEASE = Number.parseInt(process.env.KLEE_SIM_RELEASE ?? "15", 10);

/** A simulated kernel of its own, and the environment by which processes see it. Dispose of it after use. */
export class Simulator implements Disposable {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;

  constructor(machine: SimulatedMachine = {}) {
    this.directory = mkdtempSync(join(tmpdir(), "klee-sim-"));
    writeFileSync(join(this.directory, "machine.json"), JSON.stringify({ release: RELEASE, ...machine }));
    this.environment = { KLEE_HOST: "freebsd", KLEE_LIBC: SIMULATOR, KLEE_NATIVE: NATIVE, KLEE_SIM: this.directory };
  }

  /** Has the bindings of this process see it. */
  use(): void {
    Object.assign(process.env, this.environment);
  }

  [Symbol.dispose](): void {
    // On 14 a supervisor looks every half second whether its jail is still there; one that came later would boot a new kernel.
    waitUntil(() => !this.#isUsed(), "supervisors to end");
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  /** Has any other process this kernel in its environment? */
  #isUsed(): boolean {
    const wanted = `KLEE_SIM=${this.directory}\0`;
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
    return pids.some((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(wanted);
      } catch {
        return false;
      }
    });
  }
}
