import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Limits } from "../../src/kleene/model.ts";
import { type Row, Store } from "../../src/kleene/store/store.ts";
import { filledAnchors, type SimulatedHost } from "../support/simulated-host.ts";

/** How long store and kernel may take to agree: a supervisor may be about to call klee. */
const SETTLING_MS = 10_000;

/** Waits until store and simulated kernel agree; returns what does not after ten seconds, one line each. */
export async function settled(host: SimulatedHost): Promise<string[]> {
  const deadline = Date.now() + SETTLING_MS;
  for (;;) {
    const wrong = await disagreements(host);
    if (wrong.length === 0 || Date.now() > deadline) return wrong;
    await setTimeout(20);
  }
}

async function disagreements(host: SimulatedHost): Promise<string[]> {
  const store = await Store.open(host.root);
  try {
    const containers = await store.all("SELECT * FROM container");
    const networks = await store.all("SELECT * FROM network");
    const endpoints = await store.all("SELECT * FROM endpoint");
    const images = ids(await store.all("SELECT * FROM image"));
    const running = ids(containers.filter(({ execution }) => execution !== null));
    const active = endpoints.filter(({ container_id: id }) => running.includes(String(id)));
    const state = host.state();
    const own = state.interfaces.filter(({ driver, unit }) => driver !== "em" && unit > 0);
    const aliases = own.flatMap(({ addresses }) =>
      addresses.map(({ ip }) => ip).filter((ip) => ip !== "::1" && !ip.startsWith("fe80:")),
    );
    const anchors = filledAnchors(state);
    const within = (branch: string): string[] =>
      anchors.filter((path) => path.startsWith(`klee/${branch}/`)).map((path) => path.split("/")[2] ?? "");
    const below = (kind: string): string[] =>
      existsSync(join(host.root, kind)) ? readdirSync(join(host.root, kind)) : [];
    const datasets = (kind: string): string[] =>
      Object.keys(state.datasets).flatMap((name) => new RegExp(`^zroot/klee/${kind}/(.+)$`).exec(name)?.slice(1) ?? []);
    const living = state.jails.filter(({ dying_until }) => dying_until === null);
    const mounted = state.mounts.filter(({ path }) => path.startsWith(`${host.root}/`)).map(({ path }) => path);
    return [
      ...compare(
        "jail",
        living.map(({ name }) => name),
        running,
      ),
      ...compare(
        "interface",
        own.map(({ name }) => name),
        networks.map((row) => String(row.interface)),
      ),
      ...compare("alias", aliases, active.flatMap(addressesOf)),
      ...compare("network's anchor", within("within"), ids(networks)),
      ...[...within("pairs"), ...within("ports")]
        .filter((id) => !running.includes(id))
        .map((id) => `left: anchor of container ${id}`),
      ...compare("directory of a container", below("containers"), ids(containers)),
      ...compare("directory of an image", below("images"), datasets("image").length > 0 ? below("images") : images),
      ...(Object.keys(state.datasets).includes("zroot")
        ? [
            ...compare("dataset of a container", datasets("container"), ids(containers)),
            ...compare("dataset of an image", datasets("image"), images),
          ]
        : []),
      ...compare(
        "limit",
        state.limits,
        containers.filter(({ id }) => running.includes(String(id))).flatMap(pidsLimitOf),
      ),
      ...mounted.filter((path) => !running.some((id) => path.includes(id))).map((path) => `left: mount ${path}`),
      ...(await store.all("SELECT * FROM operation")).map((row) => `left: operation ${row.kind} ${row.object}`),
      ...below("locks")
        .filter((name) => /^[0-9a-f]{12}$/.test(name) && !ids(containers).includes(name))
        .map((name) => `left: lock ${name}`),
    ];
  } finally {
    await store.close();
  }
}

const ids = (rows: readonly Row[]): string[] => rows.map(({ id }) => String(id));

/** The rule of a container whose processes alone are limited. */
function pidsLimitOf({ id, limits }: Row): string[] {
  const { pids } = JSON.parse(String(limits)) as Limits;
  return typeof pids === "number" ? [`jail:${id}:maxproc:deny=${pids}`] : [];
}

const addressesOf = (endpoint: Row): string[] =>
  [String(endpoint.ip_address), String(endpoint.ip_address6)].filter((address) => address !== "");

function compare(what: string, found: readonly string[], wanted: readonly string[]): string[] {
  return [
    ...found.filter((one, index) => found.indexOf(one) !== index).map((one) => `twice: ${what} ${one}`),
    ...found.filter((one) => !wanted.includes(one)).map((one) => `left: ${what} ${one}`),
    ...wanted.filter((one) => !found.includes(one)).map((one) => `lost: ${what} ${one}`),
  ];
}
