import type { Command } from "commander";
import type { PublishedPort } from "../../../kleene/model.ts";
import { UsageError } from "../../exit-status.ts";
import { formatJson } from "../../io/json.ts";
import type { Session } from "../../session.ts";
import { addFormatOption } from "../options.ts";

/** Adds `port`: where a container's ports are published. */
export function port(parent: Command, name: string, session: Session): void {
  const command = parent
    .command(name)
    .description("print where the ports of a container are published, one line each")
    .argument("<container>", "name, id or unique start of an id")
    .argument("[port]", "only this port of the container, as in 80 or 53/udp");
  addFormatOption(command, ["text", "json"])
    .addHelpText("after", "\nExample:\n  klee container port web 80/tcp")
    .action(
      session.action(async (reference: string, wanted: string | undefined, { format }: { readonly format: string }) => {
        const asked = wanted === undefined ? undefined : parsePort(wanted);
        const { container } = await session.look((klee) => klee.containers.inspect(reference));
        const ports = container.public_ports.filter((published) => asked === undefined || contains(published, asked));
        if (format === "json") session.print(formatJson(ports));
        else for (const published of ports) for (const line of linesOf(published)) session.print(line);
        if (asked === undefined || ports.length > 0) return 0;
        session.report(`no published port ${wanted} of container ${container.name}`);
        return 1;
      }),
    );
}

interface AskedPort {
  readonly number: number;
  readonly protocol: string;
}

function parsePort(text: string): AskedPort {
  const [, number, protocol = "tcp"] = /^(\d{1,5})(?:\/(tcp|udp))?$/.exec(text) ?? [];
  if (number === undefined) throw new UsageError(`${JSON.stringify(text)} is no port: give NUMBER or NUMBER/PROTOCOL`);
  return { number: Number(number), protocol };
}

function contains({ container_port, protocol }: PublishedPort, asked: AskedPort): boolean {
  const [first = "", last = first] = container_port.split("-");
  return protocol === asked.protocol && Number(first) <= asked.number && asked.number <= Number(last);
}

/** `80/tcp -> em0:8080` */
function linesOf({ container_port, protocol, host_address, host_port, interfaces }: PublishedPort): string[] {
  const address = host_address.includes(":") ? `[${host_address}]` : host_address;
  const places = host_address === "" ? interfaces : [address];
  return places.map((place) => `${container_port}/${protocol} -> ${place}:${host_port}`);
}
