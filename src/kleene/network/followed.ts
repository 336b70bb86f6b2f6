import type { Context } from "../context.ts";
import type { Host, HostInterface } from "../host/host.ts";
import { type Statements, text } from "../store/store.ts";
import { ANYWHERE } from "./policy.ts";

/**
 * Interfaces of the host's that a row names: the user's own. They are followed by what they are: until the next boot by
 * index, after it by name, and by link address where the name is gone.
 */

/** Notes what an interface is that a row names from now on. Belongs inside one transaction. */
export async function noteInterface(
  statements: Statements,
  host: Pick<Host, "interfaces" | "bootId">,
  interfaces: readonly HostInterface[] | undefined,
  name: string,
): Promise<void> {
  if (name === "" || name === ANYWHERE) return;
  const found = interfaces === undefined ? host.interfaces.find(name) : interfaces.find((one) => one.name === name);
  if (found === undefined) return;
  await statements.run(
    "INSERT OR REPLACE INTO interface (name, link, boot, address) VALUES (?, ?, ?, ?)",
    name,
    found.index,
    host.bootId(),
    found.linkAddress,
  );
}

/** An interface that is called otherwise than rows say. */
export interface Renamed {
  readonly from: string;
  readonly to: string;
}

/** The interfaces of klee's own and the user's that have another name now. */
export async function renamedInterfaces(
  { store, host }: Pick<Context, "store" | "host">,
  interfaces: readonly HostInterface[],
): Promise<Renamed[]> {
  const boot = host.bootId();
  const known = await store.all("SELECT * FROM interface");
  const users = known.map((row) => {
    const from = text(row, "name");
    const called = interfaces.find(({ name }) => name === from);
    const same = text(row, "boot") === boot ? interfaces.find(({ index }) => index === Number(row.link)) : undefined;
    const address = text(row, "address");
    const alike = interfaces.filter(({ linkAddress }) => address !== "" && linkAddress === address);
    const found = same ?? called ?? (alike.length === 1 ? alike[0] : undefined);
    return { from, to: found?.name ?? from };
  });
  const rows = await store.all("SELECT id, interface FROM network WHERE type <> 'custom'");
  const own = rows.map((row) => {
    const from = text(row, "interface");
    const marked = interfaces.filter(({ networkId }) => networkId === text(row, "id"));
    const found = marked.find(({ name }) => name === from) ?? marked[0];
    return { from, to: found?.name ?? from };
  });
  return [...users, ...own].filter(({ from, to }) => from !== to);
}

/** Has all rows name interfaces as they are called now. Belongs inside one transaction. */
export async function renameInRows(statements: Statements, renamed: readonly Renamed[]): Promise<void> {
  // Two steps: names may have been exchanged. No interface has a blank in its name.
  const steps = [
    ...renamed.map(({ from, to }) => [from, ` ${to}`] as const),
    ...renamed.map(({ to }) => [` ${to}`, to] as const),
  ];
  for (const [from, to] of steps)
    for (const [table, column] of [
      ["network", "interface"],
      ["network", "nat"],
      ["published_port", "interface"],
      ["interface", "name"],
    ] as const) {
      if (table === "interface") await statements.run("DELETE FROM interface WHERE name = ?", to);
      await statements.run(`UPDATE ${table} SET ${column} = ? WHERE ${column} = ?`, to, from);
    }
}

/** Notes again what the known interfaces are: indexes change with a boot, or when one is made anew. */
export async function noteAgain(
  statements: Statements,
  host: Pick<Host, "interfaces" | "bootId">,
  interfaces: readonly HostInterface[],
): Promise<void> {
  for (const row of await statements.all("SELECT name FROM interface"))
    await noteInterface(statements, host, interfaces, text(row, "name"));
}

/** Containers whose ports are published on an interface that is the default route's no more. */
export async function strandedPorts(
  statements: Statements,
  gateway: string | undefined,
): Promise<{ readonly container: string; readonly interface: string }[]> {
  if (gateway === undefined) return [];
  const rows = await statements.all(
    `SELECT DISTINCT container.name AS container, published_port.interface AS interface FROM published_port
     JOIN container ON container.id = container_id WHERE follows = 1 AND published_port.interface <> ?`,
    gateway,
  );
  return rows.map((row) => ({ container: text(row, "container"), interface: text(row, "interface") }));
}

/** Is a port of this container on the interface of the default route, whichever that is? */
export async function followsGateway(statements: Statements, containerId: string): Promise<boolean> {
  const row = await statements.get(
    "SELECT 1 AS one FROM published_port WHERE container_id = ? AND follows = 1 LIMIT 1",
    containerId,
  );
  return row !== undefined;
}

/** Has ports go with the default route, of one container or of all. Belongs inside one transaction. */
export async function followGateway(
  statements: Statements,
  gateway: string | undefined,
  containerId?: string,
): Promise<void> {
  if (gateway === undefined) return;
  const [which, values] = containerId === undefined ? ["", []] : [" AND container_id = ?", [containerId]];
  await statements.run(
    `UPDATE published_port SET interface = ? WHERE follows = 1 AND interface <> ?${which}`,
    gateway,
    gateway,
    ...values,
  );
}
