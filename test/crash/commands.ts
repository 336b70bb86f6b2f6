import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Klee, openKlee } from "../../src/kleene/klee.ts";
import type { Execution, Stdio } from "../../src/kleene/model.ts";
import type { Machine } from "../support/machine.ts";
import { buildRoot } from "../support/rootfs.ts";
import type { Victim } from "./fault.ts";

/** Where commands are tried. */
export type Site = Pick<Machine, "directory" | "root" | "folder" | "run">;

/** A command that changes something, and what must be there before it. */
export interface ChangingCommand {
  readonly name: string;
  readonly args: readonly string[];
  readonly prepare?: (klee: Klee) => Promise<unknown>;
  readonly victim?: Victim;
}

const SLEEP = ["sleep", "1000"];
/** A command that fails by itself, with a status that klee has no use for. */
const FAIL = ["sh", "-c", "exit 7"];
const SILENT: Stdio = { stdin: "null", stdout: "null", stderr: "null" };

/** The container that runs all the time, longer than all points take, and must never notice anything. */
export const BYSTANDER = "bystander";

/** With it, the firewall has elements of the container's own. */
const RAW = "allow.raw_sockets";

const create = (klee: Klee) =>
  klee.containers.create({ image: "box", network: "net", name: "c", command: SLEEP, jailParams: [RAW] });

async function start(klee: Klee, reference: string): Promise<Execution> {
  const execution = await klee.containers.start(reference, { stdio: SILENT });
  execution.detach();
  return execution;
}

const createStarted = async (klee: Klee): Promise<unknown> => start(klee, (await create(klee)).id);
const createNetwork = (klee: Klee) => klee.networks.create({ name: "extra", subnet: "10.9.0.0/24" });
const createImage = (klee: Klee, source: string, tag?: string) => klee.images.create({ method: "tar", source, tag });

/** Was it told why klee failed: by klee, or by the command that is meant to? */
export const isTold = (stderr: string): boolean => /^klee: .+$|exited with exit-code 7$/m.test(stderr);

export function changingCommands(machine: Site): ChangingCommand[] {
  const small = join(machine.directory, "small");
  if (!existsSync(small)) {
    mkdirSync(join(small, "etc"), { recursive: true });
    writeFileSync(join(small, "etc/file"), "content\n");
    machine.run("tar", "-cf", join(machine.directory, "small.tar"), "-C", small, ".");
  }
  const commands: ChangingCommand[] = [
    {
      name: "network create",
      args: ["network", "create", "--subnet", "10.9.0.0/24", "--subnet6", "fd00:9::/64", "extra"],
    },
    { name: "network rm", args: ["network", "rm", "extra"], prepare: createNetwork },
    { name: "network prune", args: ["network", "prune", "-f"], prepare: createNetwork },
    {
      name: "network connect",
      args: ["network", "connect", "extra", "c"],
      prepare: async (klee) => [await createNetwork(klee), await createStarted(klee)],
    },
    {
      name: "network disconnect",
      args: ["network", "disconnect", "net", "c"],
      prepare: async (klee) => [await createNetwork(klee), await createStarted(klee)],
    },
    { name: "create", args: ["create", "-n", "net", "-J", RAW, "--name", "c", "box"] },
    { name: "run", args: ["run", "--pids", "50", "-n", "net", "-J", RAW, "--name", "c", "box", "true"] },
    { name: "run -d", args: ["run", "-d", "-n", "net", "-J", RAW, "--name", "c", "box", ...SLEEP] },
    { name: "run -dt", args: ["run", "-dt", "-n", "net", "--name", "c", "box", ...SLEEP] },
    { name: "run -di", args: ["run", "-di", "-n", "net", "--name", "c", "box", ...SLEEP] },
    { name: "run --rm", args: ["run", "--rm", "-n", "net", "-J", RAW, "--name", "c", "box", "true"] },
    { name: "run -l disabled", args: ["run", "-l", "disabled", "--name", "c", "box", "true"] },
    { name: "run --restart", args: ["run", "--restart", "on-failure:1", "-n", "net", "--name", "c", "box", ...FAIL] },
    { name: "exec, stopped", args: ["exec", "c", "true"], prepare: create },
    { name: "exec, running", args: ["exec", "c", "true"], prepare: createStarted },
    { name: "start", args: ["start", "-d", "c"], prepare: create },
    { name: "stop", args: ["stop", "c"], prepare: createStarted },
    { name: "restart", args: ["restart", "c"], prepare: createStarted },
    { name: "rm", args: ["rmc", "c"], prepare: create },
    { name: "rm -f", args: ["rmc", "-f", "c"], prepare: createStarted },
    { name: "rename", args: ["container", "rename", "c", "d"], prepare: create },
    {
      name: "container update",
      args: ["container", "update", "--restart", "always", "-e", "A=1", "c"],
      prepare: createStarted,
    },
    {
      name: "container update, limits",
      args: ["container", "update", "--pids", "40", "c"],
      prepare: createStarted,
    },
    { name: "container prune", args: ["container", "prune", "-f"], prepare: create },
    { name: "volume create", args: ["volume", "create", "extra"] },
    { name: "volume rm", args: ["rmv", "extra"], prepare: (klee) => klee.volumes.create("extra") },
    { name: "create, with a volume", args: ["create", "-m", "extra:/etc", "--name", "c", "box"] },
    { name: "image create dir", args: ["image", "create", "dir", small, "-t", "extra"] },
    { name: "image create tar", args: ["image", "create", "tar", `${small}.tar`, "-t", "extra"] },
    { name: "image rm", args: ["image", "rm", "extra"], prepare: (klee) => createImage(klee, `${small}.tar`, "extra") },
    {
      name: "image tag",
      args: ["image", "tag", "extra", "more"],
      prepare: (klee) => createImage(klee, `${small}.tar`, "extra"),
    },
    { name: "image prune", args: ["image", "prune", "-f"], prepare: (klee) => createImage(klee, `${small}.tar`) },
    {
      name: "run, supervisor",
      args: ["run", "-n", "net", "-J", RAW, "--name", "c", "box", "true"],
      victim: "supervisor",
    },
    {
      name: "run -d, supervisor",
      args: ["run", "-d", "-n", "net", "-J", RAW, "--name", "c", "box", "true"],
      victim: "supervisor",
    },
    {
      name: "run -dt, supervisor",
      args: ["run", "-dt", "-n", "net", "--name", "c", "box", "true"],
      victim: "supervisor",
    },
    { name: "exec, supervisor", args: ["exec", "c", "true"], prepare: createStarted, victim: "supervisor" },
  ];
  return commands;
}

/** A store with an image, a network and a running container, which stay for the machine's life. */
export async function furnish(machine: Site): Promise<Klee> {
  buildRoot(machine.folder("rootfs"), ["sh"]);
  const klee = await openKlee({ root: machine.root });
  const archive = join(machine.directory, "rootfs.tar");
  machine.run("tar", "-cf", archive, "-C", machine.folder("rootfs"), ".");
  await createImage(klee, archive, "box");
  await klee.networks.create({ name: "net", subnet: "10.2.3.0/24", subnet6: "fd00:2:3::/64" });
  await klee.containers.create({
    image: "box",
    network: "net",
    name: BYSTANDER,
    command: ["sleep", "1000000"],
    jailParams: [RAW],
    persist: true,
  });
  await start(klee, BYSTANDER);
  return klee;
}

/** Takes away all but what `furnish` made. */
export async function clear(klee: Klee): Promise<void> {
  for (const { id, name } of await klee.containers.list({ all: true }))
    if (name !== BYSTANDER) await klee.containers.remove(id, { force: true });
  for (const { id, name } of await klee.networks.list()) if (name !== "net") await klee.networks.remove(id);
  for (const { name } of await klee.volumes.list()) await klee.volumes.remove(name);
  for (const { id, name } of await klee.images.list()) if (name !== "box") await klee.images.remove(id);
}
