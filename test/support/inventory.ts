import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { cgroupMounts, childrenOf, processesOf } from "../../src/ffi/linux/cgroup.ts";
import { listMounts, type MountedFileSystem } from "../../src/ffi/linux/mount.ts";
import type { Limits } from "../../src/kleene/model.ts";
import { addressToNumber, storedSubnet } from "../../src/kleene/network/subnet.ts";
import { type Row, Store } from "../../src/kleene/store/store.ts";
import type { Machine } from "./machine.ts";

/**
 * What the store says and the kernel and the disk do not, or the reverse: one line each, none when all is well. Looks
 * with other means than klee's own check: ip(8), nft(8), the files of the store, /proc.
 */
async function disagreements(machine: Machine): Promise<string[]> {
  const store = await Store.open(machine.root);
  try {
    const networks = await store.all("SELECT * FROM network");
    const containers = await store.all("SELECT * FROM container");
    const endpoints = await store.all("SELECT * FROM endpoint");
    const running = runningContainers();
    const known = new Set(containers.map(({ id }) => String(id)));
    const inUse = endpoints.filter(({ container_id: id }) => running.has(String(id)));
    const used = inUse.flatMap(addressesOf);
    const raw = new Set(
      containers.filter(({ jail_param: text }) => String(text).includes("allow.raw_sockets")).map(({ id }) => id),
    );
    return [
      ...difference("container", marked(containers, "execution"), running),
      ...differenceOf("container known", [...running], [...known]).filter((line) => line.startsWith("left")),
      ...strayCgroups(running),
      ...strayGroups(running),
      ...straySupervisors(running),
      ...containers.filter(({ id }) => running.has(String(id))).flatMap(wrongLimit),
      ...interfaces(machine, networks, used),
      ...rules(
        machine,
        inUse.filter(({ container_id: id }) => raw.has(id)).flatMap(addressesOf),
        endpoints.flatMap(addressesOf).filter((address) => !used.includes(address)),
      ),
      ...mounts(machine.root),
      ...(await files(store, machine.root, known)),
      ...(await store.all("SELECT * FROM operation")).map((row) => `left: operation ${row.kind} ${row.object}`),
      ...(await freeRanges(store, networks, endpoints)),
      ...ownFiles(machine.root, known),
    ];
  } finally {
    await store.close();
  }
}

/** How long store and kernel may take to agree: a supervisor may be about to call klee. */
const SETTLING_MS = 10_000;

/** Waits until they agree; returns what does not after ten seconds. */
export async function settled(machine: Machine): Promise<string[]> {
  const deadline = Date.now() + SETTLING_MS;
  for (;;) {
    const wrong = await disagreements(machine);
    if (wrong.length === 0 || Date.now() > deadline) return wrong;
    await setTimeout(20);
  }
}

const addressesOf = (endpoint: Row): string[] =>
  [String(endpoint.ip_address), String(endpoint.ip_address6)].filter((address) => address !== "");

const marked = (rows: readonly Row[], column: string): Set<string> =>
  new Set(rows.filter((row) => row[column] !== null).map(({ id }) => String(id)));

function difference(what: string, wanted: ReadonlySet<string>, found: ReadonlySet<string>): string[] {
  return [
    ...[...found].filter((item) => !wanted.has(item)).map((item) => `left: ${what} ${item}`),
    ...[...wanted].filter((item) => !found.has(item)).map((item) => `lost: ${what} ${item}`),
  ];
}

/** As `difference`, of lists in which nothing may come twice. */
function differenceOf(what: string, found: readonly string[], wanted: readonly string[]): string[] {
  const twice = found.filter((item, index) => found.indexOf(item) !== index).map((item) => `twice: ${what} ${item}`);
  return [...twice, ...difference(what, new Set(wanted), new Set(found))];
}

export function parentCgroup(): string {
  const root = cgroupMounts().find(({ isRoot }) => isRoot);
  if (root === undefined) throw new Error("no cgroup2");
  return join(root.path, "klee");
}

const namespace = (pid: number): string | undefined => {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
};

/** What others left there before this test began. */
const earlier = new Set(cgroupMounts().some(({ isRoot }) => isRoot) ? childrenOf(parentCgroup()) : []);

/** Other machines' containers share the tree of cgroups; theirs have processes, in another network namespace. */
function isForeign(path: string): boolean {
  const spaces = processesOf(path).map(namespace);
  return spaces.length > 0 && spaces.every((space) => space !== undefined && space !== namespace(process.pid));
}

function ownCgroups(): string[] {
  return childrenOf(parentCgroup()).filter((id) => !earlier.has(id) && !isForeign(join(parentCgroup(), id)));
}

function runningContainers(): Set<string> {
  return new Set(ownCgroups().filter((id) => processesOf(join(parentCgroup(), id, "init")).length > 0));
}

const strayCgroups = (running: ReadonlySet<string>): string[] =>
  ownCgroups()
    .filter((id) => !running.has(id))
    .map((id) => `left: cgroup ${id}`);

/** Of containers with limits, where a controller has a hierarchy of its own. */
function strayGroups(running: ReadonlySet<string>): string[] {
  const parents = listMounts()
    .filter(({ type }) => type === "cgroup")
    .map(({ mountPoint }) => join(mountPoint, "klee"));
  return parents.flatMap((parent) =>
    childrenOf(parent)
      .filter((id) => !running.has(id) && !earlier.has(id) && !isForeign(join(parent, id)))
      .map((id) => `left: cgroup ${join(parent, id)}`),
  );
}

/** Of processes: the one of the three whose number the kernel takes as it is. */
function wrongLimit({ id, limits }: Row): string[] {
  const wanted = (JSON.parse(String(limits)) as Limits).pids ?? undefined;
  const unified = pidsMax(join(parentCgroup(), String(id)));
  // Version 2 counts pid 1 as well.
  const found = unified === undefined ? pidsMax(legacyPids(String(id))) : unified - 1;
  if (wanted !== found) return [`limit of container ${id}: ${found} processes instead of ${wanted}`];
  if (wanted === undefined || unified !== undefined) return [];
  const counted = processesOf(legacyPids(String(id)));
  return processesOf(join(parentCgroup(), String(id), "payload"))
    .filter((pid) => !counted.includes(pid))
    .map((pid) => `limit of container ${id}: process ${pid} is not counted`);
}

function legacyPids(id: string): string {
  const isPids = ({ type, superOptions }: MountedFileSystem) => type === "cgroup" && superOptions.includes("pids");
  return join(listMounts().find(isPids)?.mountPoint ?? "", "klee", id);
}

/** Undefined where there is no limit. */
function pidsMax(path: string): number | undefined {
  const file = join(path, "pids.max");
  const text = existsSync(file) ? readFileSync(file, "utf8").trim() : "max";
  return text === "max" ? undefined : Number(text);
}

function straySupervisors(running: ReadonlySet<string>): string[] {
  return supervisors()
    .filter(({ container }) => !running.has(container))
    .map(({ pid, container }) => `left: supervisor ${pid} of ${container}`);
}

/** Pids of the supervisors of these containers. */
export function supervisorsOf(containers: readonly string[]): number[] {
  return supervisors()
    .filter(({ container }) => containers.includes(container))
    .map(({ pid }) => pid);
}

/** Those of this machine, whose network namespace they share. */
function supervisors(): { readonly pid: number; readonly container: string }[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid) || namespace(Number(pid)) !== namespace(process.pid)) return [];
    try {
      if (readFileSync(`/proc/${pid}/comm`, "utf8").trim() !== "klee-supervisor") return [];
      // A process that has ended and waits to be reaped shows no command line.
      const [, container] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      return container === undefined ? [] : [{ pid: Number(pid), container }];
    } catch {
      return [];
    }
  });
}

interface Link {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly addr_info: readonly { readonly local: string; readonly scope: string }[];
}

function interfaces(machine: Machine, networks: readonly Row[], used: readonly string[]): string[] {
  const links = (JSON.parse(machine.run("ip", "-j", "-details", "address")) as Link[]).filter(({ ifalias }) =>
    ifalias?.startsWith("klee "),
  );
  const found = links.map(({ ifname, ifalias }) => `${ifname} ${ifalias?.slice("klee ".length)}`);
  const aliases = links.flatMap(({ addr_info }) =>
    addr_info.filter(({ scope }) => scope !== "link").map(({ local }) => local),
  );
  return [
    ...differenceOf(
      "interface",
      found,
      networks.map((network) => `${network.interface} ${network.id}`),
    ),
    ...differenceOf("alias", aliases, used),
  ];
}

/** @param wanted addresses that the rules must name. @param unwanted those that they must not. */
function rules(machine: Machine, wanted: readonly string[], unwanted: readonly string[]): string[] {
  const words = new Set(machine.run("nft", "list", "ruleset").split(/[\s,{}]+/));
  return [
    ...wanted.filter((address) => !words.has(address)).map((address) => `lost: rule for ${address}`),
    ...unwanted.filter((address) => words.has(address)).map((address) => `left: rule for ${address}`),
  ];
}

const mounts = (root: string): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.split(" ")[4]?.startsWith(`${root}/`))
    .map((line) => `left: mount ${line}`);

async function files(store: Store, root: string, known: ReadonlySet<string>): Promise<string[]> {
  const images = await store.all("SELECT id FROM image WHERE dataset <> '/'");
  return [
    ...differenceOf("files of container", entries(join(root, "containers")), [...known]),
    ...differenceOf(
      "files of image",
      entries(join(root, "images")),
      images.map(({ id }) => String(id)),
    ),
  ];
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Files of containers, each named after its own: none outlives it. */
const ownFiles = (root: string, known: ReadonlySet<string>): string[] =>
  ["locks", "runs", "logs", "consoles"].flatMap((directory) =>
    entries(join(root, directory))
      .filter((name) => /^[0-9a-f]{12}/.test(name) && !known.has(name.slice(0, 12)))
      .map((name) => `left: ${directory}/${name}`),
  );

/** Each usable address is either free or an endpoint's, and free ranges neither touch nor overlap. */
async function freeRanges(store: Store, networks: readonly Row[], endpoints: readonly Row[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const network of networks)
    for (const [family, cidr, column] of [
      [4, String(network.subnet), "ip_address"],
      [6, String(network.subnet6), "ip_address6"],
    ] as const) {
      if (cidr === "") continue;
      const ranges = await store.all(
        "SELECT first, last FROM free_range WHERE network_id = ? AND family = ? ORDER BY first",
        String(network.id),
        family,
      );
      const { firstUsable, lastUsable } = storedSubnet(cidr);
      const taken = endpoints
        .filter((endpoint) => endpoint.network_id === network.id && endpoint[column] !== "")
        .map((endpoint) => addressToNumber(String(endpoint[column])));
      if (new Set(taken).size !== taken.length) wrong.push(`twice: address in ${cidr}`);
      let free = 0n;
      let before = -2n;
      for (const range of ranges) {
        const [first, last] = [BigInt(`0x${range.first}`), BigInt(`0x${range.last}`)];
        if (first <= before + 1n || last < first) wrong.push(`free ranges of ${cidr} touch at ${first}`);
        if (taken.some((address) => address >= first && address <= last)) wrong.push(`free, yet taken, in ${cidr}`);
        free += last - first + 1n;
        before = last;
      }
      const usable = lastUsable - firstUsable + 1n;
      if (free + BigInt(taken.length) !== usable)
        wrong.push(`lost: ${usable - free - BigInt(taken.length)} addresses of ${cidr}`);
    }
  return wrong;
}
