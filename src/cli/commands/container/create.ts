import type { Command } from "commander";
import type { CreateContainer } from "../../../kleene/model.ts";
import { DEFAULT_DRIVERS, DRIVER_CHOICE } from "../../../kleene/network/drivers/table.ts";
import { type Connection, follow, messagesTo } from "../../attachment.ts";
import { UsageError } from "../../exit-status.ts";
import type { Session } from "../../session.ts";
import { collect, innerCommand } from "../options.ts";
import { addConnectionOptions } from "./start.ts";

/** What --restart takes, for the help of its commands. */
export const RESTART_POLICIES =
  "no; on-startup: start it after each boot of the host; on-failure[:n]: again when its command failed, at most n " +
  "times in a row; always: both, however it ended";

export interface CreateOptions {
  readonly user?: string;
  readonly workdir?: string;
  readonly env?: readonly string[];
  readonly mount?: readonly string[];
  readonly jailparam?: readonly string[];
  readonly cpus?: string;
  readonly memory?: string;
  readonly pids?: string;
  readonly ports?: string;
  readonly persist?: boolean;
  readonly restart?: string;
  readonly driver?: string;
  readonly network?: string;
  readonly ip?: string;
  readonly ip6?: string;
  readonly publish?: readonly string[];
  readonly name?: string;
}

interface RunOptions extends CreateOptions, Connection {
  readonly rm?: boolean;
}

/** Adds `create`: make a container without starting it. */
export function create(parent: Command, name: string, session: Session): void {
  addCreateOptions(parent.command(name).description("make a container and print its id")).action(
    session.action(async (image: string, command: string[], options: CreateOptions) => {
      const request = requestOf(image, command, options);
      session.print((await session.withKlee((klee) => klee.containers.create(request))).id);
      return 0;
    }),
  );
}

/** Adds `run`: make a container and start it. */
export function run(parent: Command, name: string, session: Session): void {
  const command = parent.command(name).description("make a container and start it; exits with its command's status");
  addConnectionOptions(addCreateOptions(command))
    .option("--rm", "remove the container when it has ended, its last process")
    .addHelpText("after", "\nExample:\n  klee run -l ipnet -n testnet FreeBSD host freebsd.org")
    .action(
      session.action((image: string, words: string[], options: RunOptions) =>
        runContainer(session, image, words, options),
      ),
    );
}

async function runContainer(session: Session, image: string, words: string[], options: RunOptions): Promise<number> {
  if (options.rm && (options.restart ?? "no") !== "no") throw new UsageError("--rm cannot be combined with --restart");
  const { streams } = session.context;
  return session.withKlee(async ({ containers }) => {
    const { id } = await containers.create({ ...requestOf(image, words, options), removedAtEnd: options.rm });
    streams.write(messagesTo(streams, options), `${id}\n`);
    let started = false;
    try {
      const result = await follow(session, options, async (how) => {
        const execution = await containers.start(id, how);
        started = true;
        return execution;
      });
      if (options.rm && result !== undefined && !result.containerEnded)
        session.report(`container ${id} still runs; it is removed when it has ended`);
      return result?.status ?? 0;
    } catch (error) {
      if (options.rm && !started) await containers.remove(id, { force: false });
      throw error;
    }
  });
}

function addCreateOptions(command: Command): Command {
  return command
    .argument("<image>", "name[:tag], id or unique start of an id")
    .argument("[command...]", "what to run in it (default: the image's command)")
    .passThroughOptions()
    .option("-u, --user <user>", "user to run as, known in the container (default: the image's)")
    .option("-w, --workdir <directory>", "where its commands start (default: their user's home)")
    .option("-e, --env <key=value>", "set an environment variable; repeatable", collect)
    .option("-m, --mount <src:dst[:rw|ro]>", "show a directory of the host, or a volume, there; repeatable", collect)
    .option("-J, --jailparam <param>", "set a jail parameter, as in allow.raw_sockets; repeatable", collect)
    .option("--cpus <number>", "processors that it may use, as in 0.5 (default: all)")
    .option("--memory <size>", "memory that it may use, as in 512m (default: all)")
    .option("--pids <number>", "processes that it may have, threads included (default: any number)")
    .option("--ports <number>", "ports of the host that it may have, sockets at once (default: 8192)")
    .option("-P, --persist", "spare the container from prune")
    .option("--restart <policy>", `${RESTART_POLICIES} (default: no)`)
    .option(
      "-l, --driver <driver>",
      `${DRIVER_CHOICE} (default: ${DEFAULT_DRIVERS.withoutNetwork}, with -n ${DEFAULT_DRIVERS.withNetwork})`,
    )
    .option("-n, --network <network>", "network to connect to; host: the host's own, none: no network")
    .option("--ip <address>", "IPv4 address (default: the first free one; '' for none)")
    .option("--ip6 <address>", "IPv6 address (default: the first free one; '' for none)")
    .option(
      "-p, --publish <[if:|addr:]host[:cont][/proto]>",
      "publish a port or a range of them, 8080:80, on the gateway interface, another or an address; host port 0: any free one; repeatable",
      collect,
    )
    .option("--name <name>", "name of the container (default: a random one)");
}

function requestOf(image: string, words: readonly string[], options: CreateOptions): CreateContainer {
  return {
    image,
    command: innerCommand(words),
    directory: options.workdir,
    user: options.user,
    env: options.env,
    mounts: options.mount,
    jailParams: options.jailparam,
    cpus: options.cpus,
    memory: options.memory,
    pids: options.pids,
    ports: options.ports,
    persist: options.persist,
    restart: options.restart,
    driver: options.driver,
    network: options.network,
    ip: options.ip,
    ip6: options.ip6,
    publish: options.publish,
    name: options.name,
  };
}
