import type { Row, Statements } from "../store/store.ts";
import { text } from "../store/store.ts";
import type { PortRange, PublishedOn } from "./policy.ts";

/** The ports of a container, in the order in which they were asked for. */
export async function publishedBy(statements: Statements, containerId: string): Promise<PublishedOn[]> {
  return (await statements.all("SELECT * FROM published_port WHERE container_id = ? ORDER BY rowid", containerId)).map(
    publishedOn,
  );
}

/** A published port from its row. */
export function publishedOn(row: Row): PublishedOn {
  const hostPort = { first: Number(row.host_first), last: Number(row.host_last) };
  const first = Number(row.container_first);
  return {
    protocol: text(row, "protocol") === "udp" ? "udp" : "tcp",
    interface: text(row, "interface"),
    address: text(row, "address"),
    hostPort,
    containerPort: { first, last: first + hostPort.last - hostPort.first },
  };
}

/** `8080` or `8000-8010`. */
export const formatRange = ({ first, last }: PortRange): string => (first === last ? `${first}` : `${first}-${last}`);
