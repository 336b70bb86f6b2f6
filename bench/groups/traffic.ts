import { type ChildProcess, spawn } from "node:child_process";
import { atLeastTimes, type Condition, compare, type Entrant } from "../compare.ts";
import { Spawner } from "../floor.ts";
import { type BenchMachine, IMAGE, kleeArgv, NETWORK, openMachine, QUIET } from "../machine.ts";
import type { Row, Unit } from "../model.ts";
import { extent, type Scale } from "../scale.ts";
import { floorPath } from "../setup.ts";
import type { Group } from "./group.ts";

const PORT = "5201";
const LOOPBACK = "127.0.0.1";
/** RFC 2544's addresses for benchmarks. */
const BRIDGED = ["198.18.0.1", "198.18.0.2"] as const;

/** One way from a client to a server. */
interface Path {
  readonly name: string;
  readonly role: Entrant["role"];
  /** Command line that runs a program on the client's side. */
  readonly client: (...args: string[]) => string[];
  readonly address: string;
}

/** TCP between two containers, beside the host's loopback and beside veth pairs on a bridge. */
export const traffic: Group = {
  title: "TCP from container to container",
  async measure(scale) {
    using bench = await openMachine();
    using spawner = new Spawner({ environment: bench.environment });
    const servers: ChildProcess[] = [];
    try {
      const paths = [await kleePath(bench), hostPath(servers), bridgePath(bench, servers)];
      for (const path of paths) await untilServed(path, spawner);
      const seconds = scale.quick ? "0.2" : "1";
      const rows = [
        await row("throughput", "GB/s", paths, spawner, scale, ["throughput", seconds], 1e-9, [
          atLeastTimes(0.97, "host loopback"),
        ]),
        await row(
          "round trip of one byte",
          "us",
          paths,
          spawner,
          scale,
          ["latency", scale.quick ? "1000" : "20000"],
          1e-3,
          [],
        ),
      ];
      await bench.klee.close();
      return { rows };
    } finally {
      for (const server of servers) server.kill("SIGKILL");
    }
  },
};

function row(
  what: string,
  unit: Unit,
  paths: readonly Path[],
  spawner: Spawner,
  scale: Scale,
  [kind = "", amount = ""]: readonly string[],
  factor: number,
  conditions: readonly Condition[],
): Promise<Row> {
  const entrants = paths.map(({ name, role, client, address }): Entrant => {
    const argv = client(kind, address, PORT, amount);
    return {
      name,
      role,
      async sample() {
        await spawner.run(argv);
        // klee's own messages around it may be in the same file.
        return Number(/^\d+$/m.exec(spawner.output)?.[0]) * factor;
      },
    };
  });
  return compare(what, unit, entrants, { ...extent(scale, 30, 12), warmup: 1 }, conditions);
}

async function kleePath({ klee }: BenchMachine): Promise<Path> {
  const server = await klee.containers.create({
    image: IMAGE,
    command: ["tcp", "serve", "0.0.0.0", PORT],
    network: NETWORK,
    ip: "10.2.0.10",
  });
  await klee.containers.start(server.id, QUIET);
  const client = await klee.containers.create({ image: IMAGE, command: ["sleep", "1000000"], network: NETWORK });
  await klee.containers.start(client.id, QUIET);
  return {
    name: "klee",
    role: "klee",
    client: (...args) => kleeArgv("exec", client.id, "tcp", ...args),
    address: "10.2.0.10",
  };
}

function hostPath(servers: ChildProcess[]): Path {
  servers.push(serve(["tcp"], LOOPBACK));
  const client = (...args: string[]): string[] => [floorPath("tcp"), ...args];
  return { name: "host loopback", role: "floor", client, address: LOOPBACK };
}

/** Two namespaces, each with a veth pair to one bridge: what other engines make for their default network. */
function bridgePath({ machine }: BenchMachine, servers: ChildProcess[]): Path {
  machine.run("ip", "link", "add", "bench-br", "type", "bridge");
  machine.run("ip", "link", "set", "bench-br", "up");
  const pids = BRIDGED.map((address, index) => {
    const holder = spawn("unshare", ["--net", "sleep", "1000000"], { stdio: "ignore" });
    servers.push(holder);
    const pid = String(holder.pid);
    untilApart(machine, pid);
    const inside = (...args: string[]): string => machine.run("nsenter", "--net", `--target=${pid}`, "ip", ...args);
    machine.run("ip", "link", "add", `bench-v${index}`, "type", "veth", "peer", "name", "eth0", "netns", pid);
    machine.run("ip", "link", "set", `bench-v${index}`, "master", "bench-br", "up");
    inside("address", "add", `${address}/24`, "dev", "eth0");
    inside("link", "set", "eth0", "up");
    inside("link", "set", "lo", "up");
    return pid;
  });
  const into = (pid: string | undefined): string[] => ["nsenter", "--net", `--target=${pid}`];
  servers.push(serve([...into(pids[0]), "tcp"], BRIDGED[0]));
  const client = (...args: string[]): string[] => [...into(pids[1]), floorPath("tcp"), ...args];
  return { name: "veth + bridge", role: "peer", client, address: BRIDGED[0] };
}

function untilApart(machine: BenchMachine["machine"], pid: string): void {
  const own = machine.run("readlink", "/proc/self/ns/net");
  const deadline = Date.now() + 10_000;
  while (machine.run("readlink", `/proc/${pid}/ns/net`) === own)
    if (Date.now() > deadline) throw new Error("unshare does not start");
}

function serve(argv: readonly string[], address: string): ChildProcess {
  const [program = "", ...args] = [...argv.slice(0, -1), floorPath("tcp"), "serve", address, PORT];
  return spawn(program, args, { stdio: "ignore" });
}

/** A server that was just started may not listen yet. */
async function untilServed({ name, client, address }: Path, spawner: Spawner): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      await spawner.run(client("latency", address, PORT, "1"));
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${name}: the server cannot be reached`, { cause: error });
    }
  }
}
