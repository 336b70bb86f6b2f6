import type { Command } from "commander";
import { formatJsonLine } from "../../io/json.ts";
import { type Column, cut, renderTable } from "../../io/table.ts";
import type { Session } from "../../session.ts";
import { widthOf } from "../listing.ts";
import { addFormatOption } from "../options.ts";

const columns: readonly Column[] = [
  { header: "PID" },
  { header: "PPID" },
  { header: "UID" },
  { header: "TIME" },
  { header: "RSS" },
  { header: "COMMAND", cut: true },
];

/** Adds `top`: the processes of a container. */
export function top(parent: Command, name: string, session: Session): void {
  const command = parent
    .command(name)
    .description("print the processes of a running container, with the host's pids")
    .argument("<container>", "name, id or unique start of an id")
    .option("--no-trunc", "do not shorten long commands");
  addFormatOption(command, ["table", "json"]).action(
    session.action(
      async (reference: string, { format, trunc }: { readonly format: string; readonly trunc: boolean }) => {
        const processes = await session.look(({ containers }) => containers.processes(reference));
        if (format === "json") {
          for (const process of processes) session.print(formatJsonLine(process));
          return 0;
        }
        const rows = processes.map(({ pid, ppid, uid, cpuSeconds, residentBytes, command }) => [
          String(pid),
          String(ppid),
          String(uid),
          clock(cpuSeconds),
          `${Math.round(residentBytes / 1024)} KiB`,
          trunc ? cut(command) : command,
        ]);
        session.context.streams.write(
          1,
          await renderTable(columns, rows, trunc ? widthOf(session.context) : undefined),
        );
        return 0;
      },
    ),
  );
}

/** Processor time as ps(1) writes it, `1:02.34`: minutes, seconds, hundredths. */
function clock(seconds: number): string {
  const hundredths = Math.floor(seconds * 100);
  const rest = ((hundredths % 6000) / 100).toFixed(2).padStart(5, "0");
  return `${Math.floor(hundredths / 6000)}:${rest}`;
}
