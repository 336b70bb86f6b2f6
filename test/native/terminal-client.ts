// Runs what the spec in the file named by its argument says on a terminal of its own: a klee for script(1).
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { launch, relayConsole, type SupervisorSpec } from "../../src/ffi/native.ts";

const path = process.argv[2] ?? "";
const spec = JSON.parse(readFileSync(path, "utf8")) as SupervisorSpec;
const supervised = await launch({ spec, stdin: "null", stdout: "null", stderr: "null" });
if (supervised.console === undefined) throw new Error("no terminal");
const relayed = relayConsole(supervised.console, 0, 1, Buffer.alloc(0));
writeFileSync(`${path}.new`, execFileSync("/bin/stty", ["-a"], { stdio: ["inherit", "pipe", "inherit"] }));
renameSync(`${path}.new`, `${path}.during`);
await relayed;
supervised.close();
