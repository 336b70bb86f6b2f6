import type { ContainerProcess, ContainerUsage, ImageMethod, Limits, Mountpoint, Stdio, WindowSize } from "../model.ts";
import type { NetworkAccess } from "../network/drivers/driver.ts";
import type { Policy, PolicyChange } from "../network/policy.ts";

export type { NetworkAccess };

/**
 * The port between the domain and a kernel. The words are the domain's: an implementation translates them into jails,
 * cgroups, ioctls or netlink messages. Removal is idempotent everywhere: what is gone already is not an error.
 */
export interface Host {
  readonly name: "freebsd" | "linux";
  readonly interfaces: Interfaces;
  readonly firewall: Firewall;
  readonly jails: Jails;
  readonly storage: Storage;
  /** Default directory of the store. */
  readonly defaultRoot: string;
  /** Changes with every boot of the host. */
  bootId(): string;
  /** Names this process so that no later one with the same pid is taken for it. */
  processIdentity(): string;
  /** Does the process still run that {@link Host.processIdentity} named so? */
  isAlive(processIdentity: string): boolean;
  /**
   * Starts a process that waits and then becomes the command, whatever becomes of this one meanwhile.
   * @param command absolute path of a program, then its arguments.
   * @returns its identity, as `processIdentity` has it.
   */
  startLater(containerId: string, delayMs: number, command: readonly string[]): string;
  /** Is it stopped by a signal, as by SIGSTOP or a shell's ^Z? */
  isStopped(processIdentity: string): boolean;
  /** Continues a stopped process, unless it has ended. */
  resumeProcess(processIdentity: string): void;
  /** Stops a process, SIGSTOP, unless it has ended. */
  stopProcess(processIdentity: string): void;
  /** Who has exclusive locks on a file, of whatever kind. Absent where the kernel does not tell. */
  lockHolders?(path: string): string[];
  /** Asks a process to end, unless it has ended. */
  endProcess(processIdentity: string): void;
  /**
   * Takes an exclusive lock on a file, if nobody holds it. It goes with the process, and disposing releases it.
   * @param make make the file (mode 0600) when there is none.
   */
  tryLock(path: string, make: boolean): HostLock | "held" | "absent";
  /**
   * Waits for such a lock, however long, on a file that is there already; undefined when there is none, or when it is
   * removed meanwhile.
   */
  lockExisting(path: string): Promise<Disposable | undefined>;
  /** Renames a file, and takes no room for that. @throws when there is one of the new name, which stays. */
  renameNew(from: string, to: string): void;
  /** Sockets that listen, of the host and of its containers. Absent where the host does not tell. */
  listeners?(): HostListener[];
  /**
   * Checks that klee can change this host: privileges and kernel features, each with its own message.
   * @throws {KleeError} PERMISSION or UNSUPPORTED, with the remedy.
   */
  checkSystem(): void;
  /** Where a server of FreeBSD's has the archive of this host's own release; absent where there is none. */
  releaseArchive?(server?: string): string;
  /** What the administrator of this host should know although nothing is wrong, one line each. */
  advice?(): string[];
}

/** A lock that is held: the descriptor of its file, open for reading and writing. */
export interface HostLock extends Disposable {
  readonly number: number;
}

/** An address with prefix length on an interface, `10.2.3.1/32`; IPv6 in its shortest form. */
export interface HostInterface {
  readonly name: string;
  /** Names it until the next boot, whatever it is called. */
  readonly index: number;
  /** Hardware address; empty when it has none. */
  readonly linkAddress: string;
  readonly addresses: readonly string[];
  /** Id of the network that klee made it for, read from the mark left then; undefined on all other interfaces. */
  readonly networkId: string | undefined;
}

/** An address that somebody else has, as far as the kernel knows. */
export interface HostNeighbour {
  readonly address: string;
  /** `the router 192.0.2.1`, `02:00:5e:00:53:01 on em0`: stands after "in use by". */
  readonly holder: string;
  /** One that the host sends packets to by its routes, or the other end of a link: none of its own has it, ever. */
  readonly router: boolean;
}

/** The network interfaces of the host. */
export interface Interfaces {
  /** All interfaces, with their addresses. */
  list(): HostInterface[];
  /** The one of this name, however many there are. */
  find(name: string): HostInterface | undefined;
  /** Name of the interface that has an address, in its shortest form and without a prefix length; undefined: none has. */
  holderOf(address: string): string | undefined;
  /** Routers of all the host's routes, other ends of its links, and whom it has spoken to on them. */
  neighbours(): HostNeighbour[];
  /**
   * Asks on the network of an interface who has these addresses, and waits for answers; not again what was asked a moment
   * ago, nor where nobody can answer.
   * @returns those that somebody else has.
   */
  askWhoHas(name: string, addresses: readonly string[]): Promise<HostNeighbour[]>;
  /** Interface of the host's default route: IPv4's, or IPv6's where there is no IPv4 one. */
  defaultInterface(): string | undefined;
  /**
   * Makes an interface and brings it up, marked as the network's.
   * @param type default loopback.
   * @throws {KleeError} CONFLICT when the name exists, whoever made it.
   */
  create(name: string, networkId: string, type?: InterfaceType): void;
  /** Removes the interface if it bears the network's mark; leaves any other alone. */
  remove(name: string, networkId: string): void;
  /**
   * Adds addresses with their prefix lengths; one that klee added already is no error.
   * @param maker who made the interface; default klee. On the user's own one, an address is klee's only if klee added it.
   * @throws {KleeError} CONFLICT when another interface has one of them, or the user's own one has it already.
   */
  addAliases(name: string, addresses: readonly string[], maker?: InterfaceMaker): void;
  /** Removes addresses that klee added, and no others. @returns false when there is no such interface, or it is another's. */
  removeAliases(name: string, addresses: readonly string[], maker?: InterfaceMaker): boolean;
}

/** What klee makes: an interface that passes nothing on, or a bridge. */
export type InterfaceType = "loopback" | "bridge";
/** Who made an interface: what klee made, it removes. */
export type InterfaceMaker = "klee" | "user";

/** A socket of the host that waits for connections or datagrams. */
export interface HostListener {
  readonly protocol: "tcp" | "udp";
  /** `0.0.0.0` or `::` for all of the family. */
  readonly address: string;
  readonly port: number;
}

/** The rules between networks, containers and all else, in a table or an anchor of klee's own. */
export interface Firewall {
  /** Replaces all of klee's rules by those of the policy, atomically. */
  load(policy: Policy): void;
  /**
   * Adds and removes what changed, atomically; nothing else is reloaded. Connections of addresses that are removed end:
   * their next holder inherits none.
   */
  change(change: PolicyChange): void;
  /**
   * Ends the connections of addresses that the host has no longer. Where connections outlive the rules that let them
   * begin, one may have begun after the rules were changed and before the address went.
   */
  endConnections(addresses: readonly string[]): void;
  /** Removes klee's rules altogether. */
  unload(): void;
  /** Are klee's rules in the kernel? */
  loaded(): boolean;
  /** Where they are: is what they hold what the policy says, no less and no more? */
  agrees(policy: Policy): boolean;
  /** The policy in the language of the host's own tool, nft(8) or pf.conf(5), commented by network and container. */
  describe(policy: Policy): string;
}

/** Where a container's root comes from. Made by `Storage`, understood by `Jails` of the same host. */
export type RootFilesystem = Overlay | Dataset | Directory;

/** A container's own layer over an image. */
export interface Overlay {
  readonly kind: "overlay";
  /** Read-only layers, topmost first. */
  readonly lower: readonly string[];
  /** Directory that takes the container's changes. */
  readonly upper: string;
  /** Scratch directory on the same file system. */
  readonly work: string;
  /** Where it is mounted. */
  readonly mountpoint: string;
}

/** A file system of the container's own, which is mounted while it runs. */
export interface Dataset {
  readonly kind: "dataset";
  readonly dataset: string;
  readonly mountpoint: string;
}

/** A directory of the container's own. */
export interface Directory {
  readonly kind: "directory";
  readonly mountpoint: string;
}

/** A parameter as a kernel takes it; jailsys ones as what they say. */
export type OtherParameter = string | number | boolean | { readonly sys: "new" | "inherit" | "disable" };

/** Typed form of a container's `-J` parameters. */
export interface JailParameters {
  readonly rawSockets: boolean;
  readonly hostname: string;
  readonly persist: boolean;
  readonly mountDevfs: boolean;
  readonly execClean: boolean;
  /** The command of a container that is made without one. Empty: none. */
  readonly execStart: string;
  /** Empty: none. */
  readonly execStop: string;
  /** How long exec.stop may take; 0: as long as it wants. */
  readonly execTimeoutMs: number;
  /** How long processes have to go after SIGTERM; 0: none is sent. */
  readonly stopTimeoutMs: number;
  /** Undefined: the container's own user. */
  readonly jailUser: string | undefined;
  /** Further parameters of this host, as its kernel takes them. */
  readonly others: Readonly<Record<string, OtherParameter>>;
}

/** The addresses that a container has. */
export interface JailAddresses {
  /** Has the container no way out of its networks? */
  readonly internal: boolean;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** Name servers for a container, as the host has them now. */
export interface ResolverFile {
  /** Of its resolv.conf(5); undefined: the host has none. */
  readonly text: string | undefined;
  /** How many name servers it names that a container reaches. */
  readonly nameservers: number;
  /** File that holds what klee gave the container last. */
  readonly record: string;
}

/** All that is needed to make a container's jail. */
export interface JailSpec {
  readonly id: string;
  readonly access: NetworkAccess;
  readonly addresses: JailAddresses;
  readonly parameters: JailParameters;
  readonly limits: Limits;
  readonly root: RootFilesystem;
  readonly resolver: ResolverFile;
  readonly mounts: readonly Mountpoint[];
  /** File that takes what the first command writes and its starter does not show. */
  readonly logPath: string;
  /**
   * Socket where others attach to the first command's terminal, or to its standard input when it has none, and whether
   * its starter attaches at once; undefined: nobody can.
   */
  readonly console: { readonly socket: string; readonly starter: boolean } | undefined;
  /** File that holds the pid of the run's first process, then its exit status; locked while the process runs. */
  readonly recordPath: string;
  /** File locked by whoever changes this container. */
  readonly lockPath: string;
  /** Command line that takes the container down when nobody else did: executable first. */
  readonly teardown: readonly string[];
}

/** A command to start in a jail. */
export interface CommandSpec {
  readonly argv: readonly string[];
  /** Where it starts, an absolute path in the container; empty: its user's home, or the root where that is not there. */
  readonly directory: string;
  /** `KEY=VALUE` each; complete but for HOME, SHELL and USER, which come from the container's passwd file. */
  readonly env: readonly string[];
  /** Name or number, `:group` optional, looked up in the container. */
  readonly user: string;
  readonly rawSockets: boolean;
  readonly access: NetworkAccess;
  readonly stdio: Stdio;
}

/** A command that was started in a container. */
export interface JailProcess {
  readonly pid: number;
  /** The pseudo terminal, when one was asked for and this process attaches to it. */
  readonly terminal: HostTerminal | undefined;
  readonly exited: Promise<JailProcessExit>;
  /** Settles after `exited`, once all that it wrote is copied: with the streams for which that failed. */
  readonly copied: Promise<readonly Uncopied[]>;
  /** Sends it a signal; nothing happens when it has ended. */
  signal(number: number): void;
  /** Tells the supervisor that the container has been taken down after its end: it need not do it. */
  takenDown(): void;
  /** Releases it; a command goes on although nobody will be at its terminal. */
  detach(): void;
  /** Leaves the container's end to the supervisor, unless it was told otherwise, and stops keeping this process awake. */
  release(): void;
}

/** A stream that could not be copied to the end, and the name of the error. */
export interface Uncopied {
  readonly stream: "stdout" | "stderr";
  readonly code: string;
}

/** How a command ended. */
export interface JailProcessExit {
  readonly status: number;
  /** No process is left in the jail, and it is not persistent. */
  readonly jailEmpty: boolean;
}

/** This process's side of a pseudo terminal. */
export interface HostTerminal {
  /** Copies both ways until the command's side closes, or the keys are typed: true then. */
  relay(stdin: number | "null", stdout: number, detachKeys: Buffer): Promise<boolean>;
  /** Tells the command that its window has another size. */
  resize(size: WindowSize): void;
}

/** A connection to a running command. */
export interface HostConsole {
  /** Undefined when the command has none. */
  readonly terminal: HostTerminal | undefined;
  /** Types what comes from a descriptor, until the command has ended. */
  type(stdin: number): Promise<void>;
  /** Closes the connection; the command goes on. */
  close(): void;
}

/** What containers run in: jails, or what stands for them. */
export interface Jails {
  /**
   * Types the parameters and checks each for this host.
   * @throws {KleeError} INVALID for a malformed one, UNSUPPORTED for one this host does not have, by name.
   */
  parseParameters(parameters: readonly string[], defaultHostname: string): JailParameters;
  /**
   * Checks that nothing of the container's own would hide what is mounted, and that it hides nothing that must be there.
   * @throws {KleeError} INVALID, with the destination.
   */
  checkMounts(mounts: readonly Mountpoint[], parameters: JailParameters): void;
  /**
   * Checks that this host can enforce limits.
   * @throws {KleeError} UNSUPPORTED, with what it lacks.
   */
  checkLimits(limits: Limits): void;
  /**
   * Gives a running jail these limits in place of those it has. What it uses beyond them already, it may keep.
   * @throws {KleeError} UNSUPPORTED; HOST when the kernel refuses, as less memory than it can make free.
   */
  changeLimits(id: string, limits: Limits): void;
  /** Makes the jail and starts its first command. All is undone when that fails. */
  start(spec: JailSpec, first: CommandSpec): Promise<JailProcess>;
  /**
   * Starts a command in a running jail, whose first command has started. Processes there can stop it before it has.
   * @param run as `runOf` names it: no other is entered.
   * @param withinMs how long the start may take; default: for ever.
   * @throws {KleeError} NOT_FOUND when it has ended meanwhile.
   */
  exec(id: string, run: string, command: CommandSpec, withinMs?: number): Promise<JailProcess>;
  /** Names the run of a jail, as no later one of the same container is named; undefined when it does not run. */
  runOf(id: string): string | undefined;
  /** Jails of klee that run: container id -> jail id. One with a jail but no process counts only if persistent. */
  running(): Map<string, number>;
  /** The same of one jail, however many there are. */
  isRunning(id: string): boolean;
  /**
   * Those of these jails, which ran, that run no more while nobody is left who would tell of it: their supervisors were
   * killed. Of others the end may be told of at this moment. The kernel is asked once, however many there are.
   */
  unattended(ids: readonly string[]): string[];
  /** Any trace of this container in the kernel, running or not? */
  exists(id: string): boolean;
  /**
   * Attaches to the console whose socket has this path.
   * @throws {SyscallError} ECONNREFUSED when the supervisor was killed.
   */
  attach(socket: string): HostConsole;
  /** Gives a running jail these addresses in place of those it has; the first one of a family is its primary one. */
  changeAddresses(spec: Pick<JailSpec, "id" | "access" | "addresses" | "parameters">): Promise<void>;
  /** The processes of a jail, by pid; none when it does not run. */
  processes(id: string): ContainerProcess[];
  /** What a jail uses; undefined when it does not run. */
  usage(id: string): Omit<ContainerUsage, "id" | "name"> | undefined;
  /** Sends a signal to one process; false when the jail has none of this pid. */
  signal(id: string, pid: number, signal: number): boolean;
  /** Sends a signal to every process of the jail. */
  signalAll(id: string, signal: number): void;
  /** Resolves true once no process is left in the jail, false at the deadline. */
  waitEmpty(id: string, timeoutMs: number): Promise<boolean>;
  /**
   * Kills what still runs and removes the jail and its confinement. Idempotent.
   * @returns false when it is known that no process of it ever asked for a socket of the internet.
   */
  remove(id: string): Promise<boolean>;
}

/** Where the files of an image come from. */
export interface ImageSource {
  readonly method: Exclude<ImageMethod, "fetch" | "fetch-auto">;
  readonly source: string | undefined;
  /** Copy the host's time zone into it? Default false. */
  readonly localtime?: boolean | undefined;
}

/** Where a volume's first files come from. */
export interface VolumeOrigin {
  readonly containerId: string;
  readonly imageDataset: string;
  /** Of the volume in the container. */
  readonly destination: string;
}

/** The root file systems of images and containers. */
export interface Storage {
  /**
   * Stores an image's files. Returns its dataset (on Linux a directory). Nothing is left behind when it fails.
   * @param warn takes a line for each kind of thing that the source has and the image does not.
   */
  createImage(root: string, imageId: string, source: ImageSource, warn?: (line: string) => void): Promise<string>;
  /** What containers of an image run that name no command, as it was made by this object. */
  usualCommand(imageId: string): readonly string[];
  /** Removes an image's files; once more does nothing. */
  removeImage(root: string, imageId: string): Promise<void>;
  /** Are the files of an image or container there? */
  exists(dataset: string): boolean;
  /** Containers that have files in this store, by id. */
  containers(root: string): string[];
  /** Name of a container's dataset, whether it exists or not. */
  containerDataset(root: string, containerId: string): string;
  /** Makes a container's own files, of an image with the given dataset. */
  createContainer(root: string, containerId: string, imageDataset: string): Promise<void>;
  /** Removes a container's files; once more does nothing. */
  removeContainer(root: string, containerId: string): Promise<void>;
  /** Makes an empty directory or dataset for a volume. */
  createVolume(root: string, volumeId: string): Promise<{ readonly dataset: string; readonly mountpoint: string }>;
  /** Has a volume's files at its mount point. Idempotent. */
  openVolume(root: string, volumeId: string, dataset: string): void;
  /** Copies what a container that has not been started has at a place, if that is a directory, in place of all there is. */
  fillVolume(root: string, volumeId: string, origin: VolumeOrigin): Promise<void>;
  /** Removes a volume's files; once more does nothing. */
  removeVolume(root: string, volumeId: string): Promise<void>;
  /** Name servers for a container with such access, as the host has them now. */
  resolver(root: string, containerId: string, access: NetworkAccess): ResolverFile;
  /** The root file system of a container whose image has the given dataset. */
  rootOf(root: string, containerId: string, imageDataset: string): RootFilesystem;
}
