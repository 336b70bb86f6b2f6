import { readFileSync, writeFileSync } from "node:fs";
import { PFI_IFLAG_SKIP, pfioc_iface } from "../../src/ffi/freebsd/abi/pf.ts";
import { pf } from "../../src/ffi/freebsd/index.ts";
import { iowr } from "../../src/ffi/ioc.ts";
import { openLibrary } from "../../src/ffi/library.ts";
import { SIMULATOR, Simulator } from "./simulator.ts";

/** A packet at one passage of the filter. */
export interface Packet {
  readonly direction: "in" | "out";
  readonly interface: string;
  readonly protocol: number;
  readonly source: string;
  readonly sourcePort?: number;
  readonly destination: string;
  readonly port: number;
  readonly tag?: string;
}

export interface Verdict {
  readonly passed: boolean;
  /** It belongs to a connection that pf remembers, before or from now on. */
  readonly stateful: boolean;
  readonly answer: "drop" | "return" | "prohibited" | null;
  /** As it goes on, perhaps translated. */
  readonly packet: Packet;
}

/** An administrator's: klee has no use for it. */
const DIOCSETIFFLAG = { cName: "DIOCSETIFFLAG", header: "net/pfvar.h", request: iowr("D", 89, pfioc_iface) };
const ANSWER_SIZE = 4096;
const UP_LOOPBACK = 0x8049;
const UP_ETHERNET = 0x8843;
const CLIENT_PORT = 40000;

const isLoopback = (name: string): boolean => /^(lo|kleene)\d+$/.test(name);

/** Asks the pf of the simulated kernel that this process sees. */
export class Judge {
  readonly #packet: (packet: string, answer: Buffer, size: number) => number;
  readonly #forget: () => number;
  readonly #unload: () => number;

  constructor() {
    const library = openLibrary("freebsd-sim", [SIMULATOR]);
    this.#packet = library.func("int sim_pf_packet(const char *packet, void *answer, size_t size)");
    this.#forget = library.func("int sim_pf_forget()");
    this.#unload = library.func("int sim_pf_unload()");
  }

  /** The module goes, with all that pf had. */
  unload(): void {
    this.#unload();
  }

  /** What the loaded rules make of a packet, which pf remembers if it passes by a rule that says so. */
  judge(packet: Packet): Verdict {
    const answer = Buffer.alloc(ANSWER_SIZE);
    const asked = JSON.stringify({ sourcePort: CLIENT_PORT, ...packet });
    const length = this.#packet(asked, answer, answer.length);
    if (length < 0) throw new Error(`pf gives no verdict on ${asked}`);
    const verdict = JSON.parse(answer.toString("utf8", 0, length)) as Verdict | { readonly error: string };
    if ("error" in verdict) throw new Error(`${asked}: ${verdict.error}`);
    return verdict;
  }

  /** Deletes all states. */
  forget(): void {
    this.#forget();
  }
}

/** pf of a simulated kernel, which this process's bindings use from here on. Dispose of it after use. */
export class SimulatedPf extends Judge implements Disposable {
  readonly #simulator: Simulator;

  /** @param interfaces names and addresses; one whose name begins with lo or kleene is in the group lo. */
  constructor(interfaces: Readonly<Record<string, readonly string[]>>, running = true) {
    super();
    this.#simulator = new Simulator({
      real: false,
      pf: running,
      modules: ["pf"],
      interfaces: Object.entries(interfaces).map(([name, addresses], index) => ({
        name,
        index: index + 1,
        driver: isLoopback(name) ? "lo" : "em",
        flags: isLoopback(name) ? UP_LOOPBACK : UP_ETHERNET,
        groups: ["all", ...(isLoopback(name) ? ["lo"] : []), ...(name.startsWith("kleene") ? ["klee"] : [])],
        addresses: addresses.map((ip) => ({ ip, prefix: ip.includes(":") ? 64 : 24 })),
      })),
    });
    this.#simulator.use();
  }

  /** How often an ioctl is made while `act` runs. */
  count(ioctl: { readonly request: number }, act: () => void): number {
    const log = `${this.#simulator.directory}/calls`;
    writeFileSync(log, "");
    process.env.KLEE_SIM_CALLS = log;
    try {
      act();
    } finally {
      delete process.env.KLEE_SIM_CALLS;
    }
    const wanted = `ioctl 0x${ioctl.request.toString(16)}`;
    return readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line.endsWith(` ${wanted}`)).length;
  }

  /** What the administrator's `pfctl -f` does to the main ruleset. */
  reloadMain(rules: { readonly filter?: readonly pf.PfRule[] } = {}): void {
    pf.withPf((device) =>
      pf.replaceAnchors(device, [{ anchor: "", rules: { nat: [], rdr: [], filter: [], ...rules } }]),
    );
  }

  /** Connections whose sockets were dropped: `LOCAL PORT to FOREIGN PORT`. */
  dropped(): readonly string[] {
    const path = `${this.#simulator.directory}/state.json`;
    const write = openLibrary("freebsd-sim", [SIMULATOR]).func("int sim_state(const char *path)");
    if (write(path) !== 0) throw new Error("the simulator does not tell its state");
    return (JSON.parse(readFileSync(path, "utf8")) as { readonly dropped: readonly string[] }).dropped;
  }

  /** Lets the time pass that pf takes to free what was taken out of it: its tables and anchors go then. */
  purge(): void {
    openLibrary("freebsd-sim", [SIMULATOR]).func("int sim_pf_purge()")();
  }

  /** What `set skip on NAME` does when pf.conf is loaded. */
  skip(name: string): void {
    const argument = pfioc_iface.encode({ pfiio_name: name, pfiio_flags: PFI_IFLAG_SKIP });
    pf.withPf((device) => device.ioctl({ ioctl: DIOCSETIFFLAG, object: name, argument }));
  }

  [Symbol.dispose](): void {
    this.#simulator[Symbol.dispose]();
  }
}

/**
 * Follows the first packet of a connection through the passages that it takes, and its answer back through them.
 *
 * @returns the verdict that stopped it, or the last one; `answered` is false when the answer does not come back to where
 * the connection came from.
 */
export function follow(
  filter: SimulatedPf,
  packet: Omit<Packet, "direction" | "interface">,
  passages: readonly Pick<Packet, "direction" | "interface">[],
): Verdict & { readonly answered: boolean } {
  let at = { ...packet, sourcePort: packet.sourcePort ?? CLIENT_PORT };
  let verdict: Verdict | undefined;
  for (const passage of passages) {
    verdict = filter.judge({ ...at, ...passage });
    if (!verdict.passed) return { ...verdict, answered: false };
    at = { ...at, ...verdict.packet };
  }
  if (verdict === undefined) throw new RangeError("a connection takes at least one passage");
  let back = {
    protocol: packet.protocol,
    source: at.destination,
    sourcePort: at.port,
    destination: at.source,
    port: at.sourcePort,
  };
  for (const passage of [...passages].reverse()) {
    const direction = passage.direction === "in" ? "out" : "in";
    const answer = filter.judge({ ...back, interface: passage.interface, direction });
    if (!answer.passed) return { ...verdict, answered: false };
    const { source, sourcePort = 0, destination, port } = answer.packet;
    back = { protocol: packet.protocol, source, sourcePort, destination, port };
  }
  const answered =
    back.source === packet.destination && back.sourcePort === packet.port && back.destination === packet.source;
  return { ...verdict, answered };
}
