// Records a terminal: the commands below, run by the real klee on a machine made of namespaces, with their real output and the
// time that each took, as an image for README.md. Prints the session too. Argument: the image's path.
import { writeFileSync } from "node:fs";
import { needs } from "../support/gate.ts";
import { Machine, waitUntil } from "../support/machine.ts";
import { type Shown, terminalImage } from "./terminal-image.ts";

needs("root", "cgroup2", "overlay", "libnftables", "nft", "ip");

/** What is typed. */
const typed: readonly (readonly string[])[] = [
  ["image", "create", "host", "-t", "base"],
  ["network", "create", "--subnet", "10.2.3.0/24", "testnet"],
  ["run", "-d", "-n", "testnet", "--name", "server", "base", "nc", "-lk", "4000"],
  ["run", "-n", "testnet", "--name", "client", "base", "sh", "-c", "echo testing | nc -vN 10.2.3.1 4000"],
  ["logs", "server"],
  ["lsc", "-a"],
  ["network", "graph"],
  ["system", "cleanup", "-f"],
];

const [, , path] = process.argv;
const machine = new Machine();
const shown: Shown[] = [];
let status = 0;
try {
  for (const args of typed) {
    // What the server has read it writes to its log a moment later.
    if (args[0] === "logs") waitUntil(() => machine.klee(args).stdout !== "", "the server's log");
    const startedAt = performance.now();
    const { status, output } = machine.kleeInOrder(args);
    if (status !== 0) throw new Error(`klee ${args.join(" ")}: ${output}`);
    const words = args.map((word) => (/[\s|"]/.test(word) ? `"${word}"` : word));
    shown.push({ command: `klee ${words.join(" ")}`, output, milliseconds: performance.now() - startedAt });
  }
  for (const { command, output } of shown) process.stdout.write(`# ${command}\n${output}`);
  if (path !== undefined) writeFileSync(path, terminalImage(shown));
} catch (error) {
  status = 1;
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
} finally {
  machine[Symbol.dispose]();
}
process.exit(status);
