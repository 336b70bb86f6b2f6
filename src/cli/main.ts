import { systemContext } from "./context.ts";
import { printableLine } from "./io/printable.ts";
import { run } from "./run.ts";
import { STARTUP_TRACE } from "./startup-trace.ts";
import { beginTimeline, during } from "./timeline.ts";

/** Addons whose loading is told apart from the program's. */
const addons = ["koffi", "sqlite3"] as const;

const context = systemContext();
if (process.argv.includes(STARTUP_TRACE)) {
  beginTimeline();
  // What launch.ts loads from now on, unless it runs from the sources.
  (import.meta as { loading?: <T>(name: string, load: () => T) => T }).loading = (name, load) =>
    during(addons.find((addon) => name.includes(addon)) ?? "program", load);
}

/** Nothing ends in a stack trace, not even a mistake in a callback that nobody awaits. */
function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  context.streams.write(2, `klee: ${printableLine(message)}\n`);
  process.exit(1);
}

process.on("uncaughtException", fail);
// All is written by now, and nothing is waited for: to take the program apart first takes Node a millisecond.
run(process.argv.slice(2), context).then((status) => process.exit(status), fail);
