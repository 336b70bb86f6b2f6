// Starts what its argument says, tells the pid, and stays: a klee that a test can kill.
import { writeSync } from "node:fs";
import { launch, type SupervisorSpec } from "../../src/ffi/native.ts";

const spec = JSON.parse(process.argv[2] ?? "") as SupervisorSpec;
const supervised = await launch({ spec, stdin: "null", stdout: "null", stderr: "null" });
writeSync(1, `${supervised.pid}\n`);
await supervised.exited;
