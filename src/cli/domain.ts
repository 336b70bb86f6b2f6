import type {
  Attachment,
  ConnectContainer,
  Container,
  ContainerInspection,
  ContainerListing,
  ContainerProcess,
  ContainerUsage,
  CreateContainer,
  CreateImage,
  CreateNetwork,
  ExecInContainer,
  Execution,
  Image,
  KleeEvent,
  LogRecord,
  Network,
  NetworkInspection,
  NetworkRules,
  ReadEvents,
  ReadLog,
  StartContainer,
  Topology,
  UpdateContainer,
} from "../kleene/model.ts";

/** What the CLI asks of the domain. `ref` is a name, an id or a unique prefix of an id. */
export interface Klee {
  readonly networks: Networks;
  readonly containers: Containers;
  readonly images: Images;
  readonly system: System;
  close(): Promise<void>;
}

export interface Networks {
  create(request: CreateNetwork): Promise<Network>;
  inspect(ref: string): Promise<NetworkInspection>;
  list(): Promise<readonly Network[]>;
  /** @returns the id of what was removed, as all the other removals do. */
  remove(ref: string): Promise<string>;
  prune(): Promise<readonly string[]>;
  connect(ref: string, container: string, wanted: ConnectContainer): Promise<void>;
  disconnect(ref: string, container: string): Promise<void>;
  /** @param ref undefined: of all networks. */
  rules(ref: string | undefined): Promise<NetworkRules>;
  /** @param refs none: of all networks. */
  topology(refs: readonly string[]): Promise<Topology>;
}

export interface Containers {
  create(request: CreateContainer): Promise<Container>;
  start(ref: string, request: StartContainer): Promise<Execution>;
  exec(ref: string, request: ExecInContainer): Promise<Execution>;
  attach(ref: string): Promise<Attachment>;
  stop(ref: string): Promise<string>;
  /** @returns the exit status of the last run. */
  wait(ref: string): Promise<number>;
  /** @returns the container's id. */
  kill(ref: string, signal: number): Promise<string>;
  processes(ref: string): Promise<readonly ContainerProcess[]>;
  /** @param refs undefined: of all that run. */
  usage(refs: readonly string[] | undefined): Promise<readonly ContainerUsage[]>;
  restart(ref: string, request: StartContainer): Promise<Execution>;
  list(request: { readonly all: boolean }): Promise<readonly ContainerListing[]>;
  inspect(ref: string): Promise<ContainerInspection>;
  remove(ref: string, request: { readonly force: boolean }): Promise<string>;
  logs(ref: string, request: ReadLog): AsyncIterable<LogRecord>;
  rename(ref: string, name: string): Promise<Container>;
  update(ref: string, request: UpdateContainer): Promise<Container>;
  prune(): Promise<readonly string[]>;
}

export interface Images {
  create(request: CreateImage): Promise<Image>;
  inspect(ref: string): Promise<Image>;
  list(): Promise<readonly Image[]>;
  remove(ref: string): Promise<string>;
  tag(ref: string, nameTag: string): Promise<Image>;
  prune(request: { readonly all: boolean }): Promise<readonly string[]>;
}

export interface System {
  /** @returns what is missing on this host, one line each. */
  check(): Promise<readonly string[]>;
  /** @returns what is worth knowing of this host although nothing is wrong, one line each. */
  advice(): readonly string[];
  /** @returns what was repaired, one line each. */
  reconcile(): Promise<readonly string[]>;
  events(request: ReadEvents): AsyncIterable<KleeEvent>;
  teardown(containerId: string, executionId: string): Promise<void>;
  /** @param row of the operation that says so. */
  restart(containerId: string, row: number): Promise<void>;
  /** @returns what was removed, one line each. */
  cleanup(): Promise<readonly string[]>;
}
