import { KleeError } from "../errors.ts";
import type { HostListener } from "../host/host.ts";
import { checkInterfaceName } from "./interface-name.ts";
import type { PortRange, Protocol, PublishedOn } from "./policy.ts";
import { formatRange } from "./published.ts";
import { addressToNumber, familyOf, numberToAddress } from "./subnet.ts";

const PORT_MAX = 65_535;

/** What `-p` asks for. */
export interface PublishRequest {
  readonly protocol: Protocol;
  /** Interface and address empty: the host's gateway interface. */
  readonly interface: string;
  readonly address: string;
  /** Undefined: any free ports, as many as the container's. */
  readonly hostPort: PortRange | undefined;
  readonly containerPort: PortRange;
}

/**
 * Reads what stands after `-p`: `[IF:|ADDR:]HOST[:CONT][/PROTO]`, ADDR being IPv4 or `[IPv6]`, HOST and CONT a port or a
 * range `8000-8010`, HOST 0 for any free port.
 * @throws {KleeError} INVALID, saying which part is wrong.
 */
export function parsePublish(text: string): PublishRequest {
  const refuse = (why: string): KleeError => new KleeError("INVALID", `cannot publish ${JSON.stringify(text)}: ${why}`);
  const [, ports = "", protocol = "tcp"] = /^([^/]*)(?:\/(.*))?$/s.exec(text) ?? [];
  if (protocol !== "tcp" && protocol !== "udp") throw refuse("the protocol is tcp or udp");
  const { place, host, container } = split(ports, refuse);
  const containerPort = parseRange(container ?? host, refuse);
  const hostPort = host === "0" ? undefined : parseRange(host, refuse);
  if (containerPort.first === 0 || hostPort?.first === 0)
    throw refuse(container === undefined ? "name the container's port: 0:80" : "only a single host port can be 0");
  if (hostPort !== undefined && sizeOf(hostPort) !== sizeOf(containerPort))
    throw refuse(`${sizeOf(hostPort)} host ports and ${sizeOf(containerPort)} of the container: give as many`);
  return { protocol, ...placeOf(place, refuse), hostPort, containerPort };
}

interface Parts {
  readonly place: string;
  readonly host: string;
  readonly container: string | undefined;
}

function split(text: string, refuse: (why: string) => KleeError): Parts {
  const bracketed = /^(\[[^\]]*\]):([^:]*):([^:]*)$/.exec(text);
  const parts = bracketed?.slice(1) ?? text.split(":");
  const [first = "", second, third] = parts;
  if (!bracketed && text.includes("[")) throw refuse("give [ADDRESS]:HOST:CONTAINER");
  if (parts.length > 3) throw refuse("at most INTERFACE:HOST:CONTAINER; an IPv6 address stands in brackets");
  if (third !== undefined) return { place: first, host: second ?? "", container: third };
  return { place: "", host: first, container: second };
}

function placeOf(place: string, refuse: (why: string) => KleeError): Pick<PublishRequest, "interface" | "address"> {
  if (place === "") return { interface: "", address: "" };
  const bare = place.replace(/^\[(.*)\]$/, "$1");
  const family = familyOf(bare);
  if (family !== undefined && (family === 6) === (bare !== place))
    return { interface: "", address: numberToAddress(family, addressToNumber(bare)) };
  if (bare !== place) throw refuse(`${place} is no IPv6 address`);
  if (/^[0-9.]+$/.test(place)) throw refuse(`${place} is no IPv4 address`);
  checkInterfaceName(place);
  return { interface: place, address: "" };
}

function parseRange(text: string, refuse: (why: string) => KleeError): PortRange {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  if (first === undefined) throw refuse(`${JSON.stringify(text)} is no port and no range of ports`);
  const range = { first: Number(first), last: Number(last) };
  if (range.last > PORT_MAX || range.first > PORT_MAX) throw refuse(`ports end at ${PORT_MAX}`);
  if (range.first > range.last) throw refuse(`the range ${text} ends before it begins`);
  return range;
}

export const sizeOf = ({ first, last }: PortRange): number => last - first + 1;

/** Where a port is published: `em0:8080/tcp`, `[2001:db8::2]:8000-8010/udp`. */
export function formatPublished({ interface: name, address, hostPort, protocol }: PublishedOn): string {
  const place = name || (address.includes(":") ? `[${address}]` : address);
  return `${place}:${formatRange(hostPort)}/${protocol}`;
}

/**
 * Do two ports exclude each other? A port of an interface is the host's own on all addresses, so it excludes the same
 * number anywhere; ports of different addresses are different ports.
 */
export function excludes(one: PublishedOn, other: PublishedOn): boolean {
  if (one.protocol !== other.protocol) return false;
  if (one.hostPort.first > other.hostPort.last || other.hostPort.first > one.hostPort.last) return false;
  return claims(one).some((mine) =>
    claims(other).some(
      (theirs) =>
        mine.family === theirs.family &&
        (mine.address === "" || theirs.address === "" || mine.address === theirs.address),
    ),
  );
}

/** Does a published port stand before a listening socket of the host? */
export function hides(port: PublishedOn, { protocol, address, port: number }: HostListener): boolean {
  const listener = { protocol, interface: "", address, hostPort: { first: number, last: number } };
  return excludes(port, { ...listener, containerPort: listener.hostPort });
}

/** Do they lead to the same ports of one container, so that both can be? */
export function agrees(one: PublishedOn, other: PublishedOn): boolean {
  return one.hostPort.first - one.containerPort.first === other.hostPort.first - other.containerPort.first;
}

/** The families, and in each the address (empty: all), on which a port answers. */
function claims({ address }: PublishedOn): { readonly family: 4 | 6; readonly address: string }[] {
  if (address === "") return [4, 6].map((family) => ({ family: family as 4 | 6, address: "" }));
  if (address === "0.0.0.0" || address === "::") return [{ family: address === "::" ? 6 : 4, address: "" }];
  return [{ family: address.includes(":") ? 6 : 4, address }];
}
