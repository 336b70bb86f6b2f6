import type { NetworkDriver } from "./network/drivers/table.ts";
import type { Policy } from "./network/policy.ts";

/** How a container sees the network: its own addresses, the host's, or none. */
export type { NetworkDriver };

/**
 * When klee starts a container by itself: never; after each boot of the host; after its command failed, for ever or only
 * so many times in a row; after a boot and whenever its command ended.
 */
export type RestartPolicy = "no" | "on-startup" | "on-failure" | `on-failure:${number}` | "always";

/** What the interface of a network is: `klee network create --help` tells. */
export type NetworkType = "loopback" | "bridge" | "custom";

/** Keys and their order are those of `klee network inspect`. */
export interface Network {
  /** Addresses that no container gets: single ones, CIDR blocks, `FIRST-LAST`. */
  readonly exclude: readonly string[];
  readonly gateway: string;
  readonly gateway6: string;
  readonly icc: boolean;
  readonly id: string;
  readonly interface: string;
  readonly internal: boolean;
  /** Where addresses that nobody asked for are taken from, one range for a family at most; none: the whole subnet. */
  readonly ip_range: readonly string[];
  /** Is what the firewall blocks on the way to or from its containers logged? */
  readonly log: boolean;
  readonly name: string;
  /**
   * Interface that packets to the outside are translated on; empty when there is no NAT. Where none was named, it is
   * whichever they leave by: that of the default route at the moment, `*` where there is none.
   */
  readonly nat: string;
  readonly subnet: string;
  readonly subnet6: string;
  readonly type: NetworkType;
}

/** One container's place in one network. `network_id` holds the network's name, as in the walkthrough. */
export interface Endpoint {
  readonly container_id: string;
  /** Only VNET containers have one. */
  readonly epair: string | null;
  readonly id: string;
  readonly ip_address: string;
  readonly ip_address6: string;
  readonly network_id: string;
}

/** A directory of the host that a container shows. */
export interface Mountpoint {
  readonly container_id: string;
  readonly destination: string;
  readonly read_only: boolean;
  /** A path of the host, or a volume's name. */
  readonly source: string;
  readonly type: "nullfs" | "volume";
}

/** Keys and their order are those of `klee volume inspect`. */
export interface Volume {
  /** ISO 8601, UTC, microseconds, `Z`. */
  readonly created: string;
  readonly dataset: string;
  /** Where its files are on the host. */
  readonly mountpoint: string;
  readonly name: string;
}

/** What `klee volume inspect` prints. */
export interface VolumeDetails {
  /** Of the containers that have it. */
  readonly mountpoints: readonly Mountpoint[];
  readonly volume: Volume;
}

/** Ports are numbers or ranges, `8000-8010`. */
export interface PublishedPort {
  readonly container_port: string;
  /** The host's address that it is published on; empty when it is on interfaces. */
  readonly host_address: string;
  readonly host_port: string;
  readonly interfaces: readonly string[];
  /** Where it leads: the container's addresses, empty where it has none of the family. */
  readonly ip_address: string;
  readonly ip_address6: string;
  readonly protocol: "tcp" | "udp";
}

/** What a container may use at most; null: all that there is. */
export interface Limits {
  /** Processors: 0.5 is half the time of one. */
  readonly cpus: number | null;
  /** Bytes. */
  readonly memory: number | null;
  /** Processes, and threads. */
  readonly pids: number | null;
  /** Ports of the host: sockets of the internet that are open at once, and binds in a minute. */
  readonly ports: number | null;
}

/** Keys and their order are those of `klee container inspect`. */
export interface Container {
  readonly cmd: readonly string[];
  /** ISO 8601, UTC, microseconds, `Z`. */
  readonly created: string;
  readonly dataset: string;
  /** `KEY=VALUE` each. */
  readonly env: readonly string[];
  /** Of the last run: exit code, or 128 + the signal's number. Null while it runs, and where nobody knows. */
  readonly exit_code: number | null;
  readonly id: string;
  readonly image_id: string;
  readonly jail_param: readonly string[];
  readonly limits: Limits;
  readonly name: string;
  readonly network_driver: NetworkDriver;
  readonly persist: boolean;
  readonly public_ports: readonly PublishedPort[];
  readonly restart_policy: RestartPolicy;
  /** How often it was restarted since somebody started it, or since it last ran for ten seconds. */
  readonly restarts: number;
  readonly running: boolean;
  readonly user: string;
  /** Where its commands start; empty: in their user's home. */
  readonly workdir: string;
}

/** Keys and their order are those of `klee image inspect`. */
export interface Image {
  readonly cmd: readonly string[];
  readonly created: string;
  readonly dataset: string;
  /** Do containers get the host's name servers? */
  readonly dns: boolean;
  readonly env: readonly string[];
  readonly id: string;
  readonly instructions: readonly (readonly [line: string, snapshot: string])[];
  readonly name: string;
  readonly tag: string;
  readonly user: string;
}

/** What `klee network inspect` prints. */
export interface NetworkInspection {
  readonly network: Network;
  readonly network_endpoints: readonly Endpoint[];
}

/** A container as the picture of its networks shows it. */
export interface TopologyContainer {
  readonly id: string;
  readonly name: string;
  readonly public_ports: readonly PublishedPort[];
  readonly status: ContainerStatus;
}

/** Networks, by name, with their endpoints, by address, and the containers that these belong to. */
export interface Topology {
  readonly networks: readonly NetworkInspection[];
  readonly containers: readonly TopologyContainer[];
}

/** What `klee container inspect` prints. */
export interface ContainerInspection {
  readonly container: Container;
  readonly container_endpoints: readonly Endpoint[];
  readonly container_mountpoints: readonly Mountpoint[];
}

/** Is it at work? Restarting: its command has ended, and klee is about to start it again. */
export type ContainerStatus = "running" | "restarting" | "stopped";

/** One row of `klee container ls`. */
export interface ContainerListing {
  readonly id: string;
  readonly name: string;
  /** `name:tag`, or the image's id when it has no name. */
  readonly image: string;
  readonly command: readonly string[];
  readonly created: string;
  readonly status: ContainerStatus;
  /** Jail id; on Linux the pid of the container's init. Undefined when stopped. */
  readonly jid: number | undefined;
}

/** One process of a running container. */
export interface ContainerProcess {
  /** On the host. */
  readonly pid: number;
  readonly ppid: number;
  /** Effective user, by number: names are the container's own. */
  readonly uid: number;
  /** Processor time used, in seconds. */
  readonly cpuSeconds: number;
  /** Memory in use, in bytes. */
  readonly residentBytes: number;
  /** Its command line, or what it calls itself; the program's name alone of one that has none. */
  readonly command: string;
}

/** What a running container uses at a moment. */
export interface ContainerUsage {
  readonly id: string;
  readonly name: string;
  /** Processor time used so far, in seconds. */
  readonly cpuSeconds: number;
  /** Memory in use, in bytes. */
  readonly memoryBytes: number;
  readonly processes: number;
}

/** What a new network is to be. */
export interface CreateNetwork {
  readonly name: string;
  readonly type?: string | undefined;
  /** Name for the new interface, default: the lowest free `kleeneN`; of the type custom, that of the user's own. */
  readonly interface?: string | undefined;
  readonly subnet?: string | undefined;
  readonly subnet6?: string | undefined;
  /** Where containers get their addresses from, unless they ask for one: `192.0.2.128/25`, `FIRST-LAST`; one a family. */
  readonly ipRanges?: readonly string[] | undefined;
  /** Addresses that no container gets, in the same forms. */
  readonly exclude?: readonly string[] | undefined;
  /** Default true. */
  readonly nat?: boolean | undefined;
  /** Default: whichever interface a packet leaves by. */
  readonly natInterface?: string | undefined;
  /** May containers of the network reach each other? Default true. */
  readonly icc?: boolean | undefined;
  /** Log what the firewall blocks: to group 24 of nflog on Linux, to pflog0 on FreeBSD. Default false. */
  readonly log?: boolean | undefined;
  /** No way out of the network. Default false. */
  readonly internal?: boolean | undefined;
  /** The host's address in a network of type bridge; undefined or `auto`: the first of the subnet; empty: none. */
  readonly gateway?: string | undefined;
  readonly gateway6?: string | undefined;
}

/** Which addresses a container is to have in a network. */
export interface ConnectContainer {
  /** Undefined: the lowest free one; empty: none. */
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
}

/** klee's rules in the kernel. */
export interface NetworkRules {
  readonly policy: Policy;
  /** The same in the language of the host's own tool. */
  readonly text: string;
}

/**
 * Where an image comes from: the running system (Linux), an archive here or on a server, a directory, or a ZFS dataset
 * (FreeBSD).
 */
export type ImageMethod = "host" | "tar" | "dir" | "zfs-copy" | "zfs-clone" | "fetch" | "fetch-auto";

/** What a new image is to be made from. */
export interface CreateImage {
  readonly method: ImageMethod;
  /** The archive, its URL, the directory or the dataset; absent for `host`, and `fetch` of FreeBSD's own release. */
  readonly source?: string | undefined;
  /** `NAME[:TAG]`; default: no name, or as `autotag` says. */
  readonly tag?: string | undefined;
  /** Call what is fetched `FreeBSD-VERSION`: undefined: where `tag` gives no name; true: whatever it gives; false: never. */
  readonly autotag?: boolean | undefined;
  /** Do containers get the host's name servers? Default true; if not, they have the image's own resolv.conf. */
  readonly dns?: boolean | undefined;
  /** Does the image get the host's time zone, /etc/localtime? Default false. */
  readonly localtime?: boolean | undefined;
}

/** What a new container is to be. */
export interface CreateContainer {
  readonly image: string;
  /** Empty: the image's. */
  readonly command: readonly string[];
  /** Where it starts; undefined or empty: its user's home. */
  readonly directory?: string | undefined;
  readonly user?: string | undefined;
  readonly env?: readonly string[] | undefined;
  /** `SRC:DST[:rw|ro]` each. */
  readonly mounts?: readonly string[] | undefined;
  readonly jailParams?: readonly string[] | undefined;
  /** Processors, as in `0.5`. */
  readonly cpus?: string | undefined;
  /** Bytes, with a suffix `k`, `m` or `g` for powers of 1024. */
  readonly memory?: string | undefined;
  /** Processes and threads. */
  readonly pids?: string | undefined;
  readonly ports?: string | undefined;
  /** Survives `prune`. */
  readonly persist?: boolean | undefined;
  /** It is removed when it has ended, however that comes about; never started, when the process that made it has. */
  readonly removedAtEnd?: boolean | undefined;
  /** `no`, `on-startup`, `on-failure[:N]` or `always`; default `no`. */
  readonly restart?: string | undefined;
  /** Default `host`, or `ipnet` when a network is given. */
  readonly driver?: string | undefined;
  readonly network?: string | undefined;
  /** Undefined: the lowest free one; empty: none. */
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
  /** `[IF:|ADDR:]HOST[:CONT][/PROTO]` each. */
  readonly publish?: readonly string[] | undefined;
  /** Undefined: a random `adjective_surname`. */
  readonly name?: string | undefined;
}

/**
 * What is to change of a container; undefined, and an empty command, stay as they are. Each variable and each jail
 * parameter takes the place of that of its name, or of the parameter's `no` form; an empty limit is none.
 */
export type UpdateContainer = Pick<
  CreateContainer,
  | "command"
  | "directory"
  | "user"
  | "env"
  | "jailParams"
  | "cpus"
  | "memory"
  | "pids"
  | "ports"
  | "persist"
  | "restart"
  | "name"
>;

/** Of a terminal, in characters. */
export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/**
 * File descriptors of this process that the command's own streams are copied from and to. "null": nothing is to be read, or
 * nobody here looks at what it writes. The command never gets the descriptors themselves.
 */
export interface Stdio {
  readonly stdin: number | "null";
  readonly stdout: number | "null";
  readonly stderr: number | "null";
  /** Set: the command gets a pseudo terminal of this size in place of three pipes. */
  readonly terminal?: WindowSize | undefined;
}

/** How a command is connected to the one who starts it. */
export interface ExecutionOptions {
  readonly stdio: Stdio;
  /** The output of the container's first command goes to its log, whatever `stdio` says. Default false. */
  readonly log?: boolean | undefined;
  /** With `log`, and without a terminal: the first command's standard input stays open, for those who attach. */
  readonly input?: boolean | undefined;
  /** Called with a line for what will not work as one may expect, but is no reason to stop. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Called with the execution's id once all is checked, right before the command starts. */
  readonly onCreated?: ((executionId: string) => void) | undefined;
}

/** A piece of what a container wrote, at most 64 KiB of any bytes. */
export interface LogRecord {
  /** When it was read, Unix time in microseconds. */
  readonly time: number;
  /** A terminal's output is stdout. A note is klee's own word, as of what could not be kept. */
  readonly stream: "stdout" | "stderr" | "note";
  readonly bytes: Buffer;
}

/** Which part of a container's log is asked for. */
export interface ReadLog {
  /** Only so many of the last lines. */
  readonly tail?: number | undefined;
  /** Only what was written since: Unix time in milliseconds. */
  readonly since?: number | undefined;
  /** Only what was written up to then: Unix time in milliseconds. */
  readonly until?: number | undefined;
  /** Goes on until the container ends. */
  readonly follow?: boolean | undefined;
}

/** A change of what should be: of the store, which the kernel follows. */
export interface KleeEvent {
  /** ISO 8601, UTC, milliseconds, `Z`. */
  readonly time: string;
  readonly type: "network" | "container" | "image" | "volume";
  /** `create`, `remove`; `connect`, `disconnect`; `tag`; `rename`, `update`, `start`, `end`. */
  readonly action: string;
  readonly id: string;
  /** Empty where there is none. */
  readonly name: string;
  /** `container` of a connection, `execution` of a start, `exit_code` of an end. */
  readonly details: Readonly<Record<string, string | number | null>>;
}

/** Which events are asked for. */
export interface ReadEvents {
  /** Only those since: Unix time in milliseconds. Undefined: all that are kept, or with `follow`, those to come. */
  readonly since?: number | undefined;
  /** Goes on for ever. */
  readonly follow?: boolean | undefined;
}

/** How the own command of a container is started. */
export interface StartContainer extends ExecutionOptions {}

/** A command that is to run in a container. */
export interface ExecInContainer extends ExecutionOptions {
  /** Empty: the container's own command. */
  readonly command: readonly string[];
  /** Where it starts; undefined: as the container's own command. */
  readonly directory?: string | undefined;
  readonly env?: readonly string[] | undefined;
  readonly user?: string | undefined;
}

/** How a command ended. */
export interface ExecutionResult {
  /** Exit code, or 128 + the signal's number. */
  readonly status: number;
  /** True when the container ended with it. */
  readonly containerEnded: boolean;
}

/** A command under way in a container. */
export interface Execution {
  readonly id: string;
  readonly containerId: string;
  /** Pid on the host. */
  readonly pid: number;
  readonly terminal: ExecutionTerminal | undefined;
  /** Settles when the command has ended and, if the container ended with it, all of it has been taken down. */
  readonly exited: Promise<ExecutionResult>;
  /** Sends a signal to the command. Nothing happens when it has ended. */
  signal(number: number): void;
  /** Stops watching: the command goes on, this process may exit. */
  detach(): void;
}

/** A connection to the first process of a running container. */
export interface Attachment {
  readonly containerId: string;
  /** Undefined when it has none. */
  readonly terminal: ExecutionTerminal | undefined;
  /** What it writes from now on, until it ends; undefined with a terminal. */
  readonly output: AsyncIterable<LogRecord> | undefined;
  /** Copies a descriptor to its standard input, until either ends; undefined when that is not open. */
  readonly type: ((stdin: number) => Promise<void>) | undefined;
  /** Waits for its end; its exit status: its code, or 128 + the signal's number. */
  exited(): Promise<number>;
  /** Nothing happens when it has ended. */
  signal(number: number): void;
  /** It goes on. */
  close(): void;
}

/** The terminal that a command was given. */
export interface ExecutionTerminal {
  /**
   * Puts `stdin` into raw mode when it is a terminal and copies bytes both ways until the command's side closes, or
   * these bytes are typed; restores the mode at the end.
   *
   * @returns true when they were typed: the command goes on.
   */
  relay(stdin: number | "null", stdout: number, detachKeys: Buffer): Promise<boolean>;
  /** Tells the command that its window has another size. */
  resize(size: WindowSize): void;
}
