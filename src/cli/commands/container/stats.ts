import { setTimeout } from "node:timers/promises";
import type { Command } from "commander";
import { monotonicMilliseconds } from "../../../clock.ts";
import type { ContainerUsage } from "../../../kleene/model.ts";
import type { Klee } from "../../domain.ts";
import { failed } from "../../exit-status.ts";
import { formatJsonLine } from "../../io/json.ts";
import { type Column, renderTable } from "../../io/table.ts";
import type { Session } from "../../session.ts";
import { widthOf } from "../listing.ts";
import { addFormatOption } from "../options.ts";

/** Time between two looks, in milliseconds. */
const INTERVAL_MS = 1000;
/** ECMA-48: cursor to the first cell; erase to the end of the line, of the screen. */
const HOME = "\u001b[H";
const ERASE_LINE = "\u001b[K";
const ERASE_REST = "\u001b[J";

const columns: readonly Column[] = [
  // One cell wider than an id, as in the other listings.
  { header: "CONTAINER ID", minWidth: 13 },
  { header: "NAME" },
  { header: "CPU" },
  { header: "MEMORY" },
  { header: "PROCESSES" },
];

interface StatsOptions {
  readonly stream: boolean;
  readonly format: string;
}

/** What a container used between two looks. */
interface Statistics extends ContainerUsage {
  /** Of one processor, in per cent: two that are busy are 200. */
  readonly cpuPercent: number;
}

/** Adds `stats`: what containers use. */
export function stats(parent: Command, name: string, session: Session): void {
  const command = parent
    .command(name)
    .description("print what running containers use, each second until interrupted")
    .argument("[containers...]", "names, ids or unique starts of ids (default: all that run)")
    .option("--no-stream", "print once, and end");
  addFormatOption(command, ["table", "json"]).action(
    session.action((references: string[], options: StatsOptions) =>
      session.look(async ({ containers }) => {
        const wanted = references.length > 0 ? references : undefined;
        const { streams } = session.context;
        let before = await look(containers, wanted);
        if (wanted !== undefined && before.usage.length < wanted.length) {
          session.report("some of the containers do not run; 'klee lsc -a' shows them");
          return failed;
        }
        do {
          await setTimeout(INTERVAL_MS);
          const now = await look(containers, wanted);
          await show(
            session,
            options,
            now.usage.map((usage) => ({ ...usage, cpuPercent: percent(usage, before, now) })),
          );
          before = now;
        } while (options.stream && !streams.isUnread(1) && (wanted === undefined || before.usage.length > 0));
        return 0;
      }),
    ),
  );
}

interface Look {
  /** Milliseconds on a clock that nobody sets. */
  readonly at: number;
  readonly usage: readonly ContainerUsage[];
}

async function look(containers: Klee["containers"], wanted: readonly string[] | undefined): Promise<Look> {
  const usage = await containers.usage(wanted);
  return { at: monotonicMilliseconds(), usage };
}

/** One that was not there before, or has been started anew, has used nothing yet. */
function percent({ id, cpuSeconds }: ContainerUsage, before: Look, now: Look): number {
  const earlier = before.usage.find((usage) => usage.id === id)?.cpuSeconds ?? cpuSeconds;
  const share = (100_000 * Math.max(0, cpuSeconds - earlier)) / (now.at - before.at);
  return Math.round(share * 10) / 10;
}

async function show(session: Session, { stream, format }: StatsOptions, all: readonly Statistics[]): Promise<void> {
  const { streams } = session.context;
  if (format === "json") {
    for (const one of all) session.print(formatJsonLine(one));
    return;
  }
  const rows = all.map(({ id, name, cpuPercent, memoryBytes, processes }) => [
    id,
    name,
    `${cpuPercent.toFixed(1)}%`,
    `${(memoryBytes / 2 ** 20).toFixed(1)} MiB`,
    String(processes),
  ]);
  const table = await renderTable(columns, rows, widthOf(session.context));
  streams.write(1, stream && streams.isTerminal(1) ? repainted(table) : table);
}

/** Over what is there, line by line, so that nothing flickers: what a line or a table has less than before goes. */
const repainted = (table: string): string => `${HOME}${table.replaceAll("\n", `${ERASE_LINE}\n`)}${ERASE_REST}`;
