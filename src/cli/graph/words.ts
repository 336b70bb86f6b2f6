import type { ContainerStatus, Endpoint, Network, PublishedPort, Topology } from "../../kleene/model.ts";
import { printable } from "../io/printable.ts";

/** One network, in the words of a picture. */
export interface PictureNetwork {
  readonly name: string;
  readonly interface: string;
  /** `10.2.3.0/24`, `fd00:2:3::/64` */
  readonly subnets: readonly string[];
  /** Its type, the host's own addresses there, and how it is connected to all else. */
  readonly facts: readonly string[];
  readonly members: readonly PictureMember[];
}

/** A container's place in one network. */
export interface PictureMember {
  readonly id: string;
  readonly name: string;
  readonly status: ContainerStatus;
  readonly addresses: readonly string[];
  /** Those that lead to the addresses here. */
  readonly ports: readonly PicturePort[];
  /** Is it the container's first place in the picture? */
  readonly isFirst: boolean;
  /** The names of the other networks in the picture that the container is in. */
  readonly elsewhere: readonly string[];
}

/** A published port. */
export interface PicturePort {
  /** `em0:8080`, `[2001:db8::2]:8080` */
  readonly from: string;
  /** `80/tcp` */
  readonly to: string;
}

/** A topology in words that drive no terminal, as all formats show them. */
export function pictureOf({ networks, containers }: Topology): readonly PictureNetwork[] {
  const byId = new Map(containers.map((container) => [container.id, container]));
  const places = new Map<string, string[]>();
  for (const { network, network_endpoints } of networks)
    for (const { container_id } of network_endpoints)
      places.set(container_id, [...(places.get(container_id) ?? []), network.name]);
  return networks.map(({ network, network_endpoints }) => ({
    name: printable(network.name),
    interface: printable(network.interface),
    subnets: [network.subnet, network.subnet6].filter(isPresent),
    facts: factsOf(network),
    members: network_endpoints.map((endpoint): PictureMember => {
      const { container_id: id } = endpoint;
      const { name = id, status = "stopped", public_ports = [] } = byId.get(id) ?? {};
      const all = places.get(id) ?? [];
      return {
        id,
        name: printable(name),
        status,
        addresses: [endpoint.ip_address, endpoint.ip_address6].filter(isPresent),
        ports: public_ports.filter((port) => leadsTo(port, endpoint)).flatMap(portsOf),
        isFirst: all[0] === network.name,
        elsewhere: all.filter((other) => other !== network.name).map(printable),
      };
    }),
  }));
}

const isPresent = (text: string): boolean => text !== "";

function factsOf({ type, gateway, gateway6, nat, internal, icc }: Network): string[] {
  const gateways = [gateway, gateway6].filter((address) => /^[0-9a-f:.]+$/.test(address));
  return [
    type,
    ...(gateways.length > 0 ? [`gateway ${gateways.join(" and ")}`] : []),
    ...(internal ? ["internal"] : [nat === "" ? "no NAT" : nat === "*" ? "NAT" : `NAT on ${printable(nat)}`]),
    ...(icc ? [] : ["containers apart"]),
  ];
}

/** A container's ports lead to its first address of each family, in whichever networks these are. */
function leadsTo({ ip_address, ip_address6 }: PublishedPort, endpoint: Endpoint): boolean {
  return (
    (isPresent(ip_address) && ip_address === endpoint.ip_address) ||
    (isPresent(ip_address6) && ip_address6 === endpoint.ip_address6)
  );
}

function portsOf({ container_port, protocol, host_address, host_port, interfaces }: PublishedPort): PicturePort[] {
  const address = host_address.includes(":") ? `[${host_address}]` : host_address;
  const places = host_address === "" ? interfaces : [address];
  return places.map((place) => ({ from: printable(`${place}:${host_port}`), to: `${container_port}/${protocol}` }));
}
