/** The first look of somebody without privileges: what can run does, and what cannot is told once, in words and numbers. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { mount, unmount } from "../../src/ffi/linux/mount.ts";
import { needs } from "../support/gate.ts";
import { enterMountNamespace } from "../support/namespaces.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const gate = needs("root", "host", "busybox");
enterMountNamespace();
const directory = temporaryDirectory();
after(() => {
  if (!gate.skip) unmount(checkout, "detach");
  directory[Symbol.dispose]();
});

const NOBODY = 65534;
// Where everybody may look, though the checkout may lie in a home directory.
chmodSync(directory.path, 0o755);
const [checkout, home, programs] = ["checkout", "home", "programs"].map((name) => join(directory.path, name)) as [
  string,
  string,
  string,
];
for (const path of [checkout, home, programs]) mkdirSync(path);
if (!gate.skip) {
  chownSync(home, NOBODY, NOBODY);
  mount({ source: fileURLToPath(new URL("../..", import.meta.url)), target: checkout, flags: ["bind"] });
}
/** A system that refuses user namespaces, as containers mostly do. */
writeFileSync(join(programs, "unshare"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });

interface Who {
  readonly user: "root" | "nobody";
  readonly userNamespaces: boolean;
  readonly ci?: string;
}

/** Runs Node in the checkout, without any capability. */
function run({ user, userNamespaces, ci }: Who, ...args: readonly string[]) {
  const ids = user === "root" ? [] : [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const command = [...ids, "--bounding-set=-all", "--inh-caps=-all", process.execPath, ...args];
  const { status, stdout, stderr } = spawnSync("setpriv", command, {
    cwd: checkout,
    encoding: "utf8",
    env: {
      PATH: `${userNamespaces ? "" : `${programs}:`}${process.env.PATH}`,
      HOME: home,
      ...(ci === undefined ? {} : { CI: ci }),
    },
    timeout: 120_000,
  });
  return { status, output: stdout + stderr, lines: stdout.trimEnd().split("\n") };
}

const walkthrough = ["--import", "tsx", "test/walkthrough/walkthrough.ts"];
const told = (missing: string) => [
  `klee: the walkthrough makes networks, mounts and cgroups; what is missing here: ${missing}, cgroup2 is not to be written to.`,
  "klee: run it as root, in a VM or by `docker run --privileged`; here it goes on with a simulated FreeBSD kernel.",
];

test("the walkthrough of a plain user goes on in a user namespace, on the simulated kernel", gate, () => {
  const { status, lines, output } = run({ user: "nobody", userNamespaces: true }, ...walkthrough);
  assert.equal(status, 0, output);
  assert.deepEqual(lines.slice(0, 2), told("not root"));
  assert.match(output, /\[ok\] two jails run/);
  assert.match(lines.at(-1) ?? "", /^The walkthrough holds on the simulated kernel, as far as it goes there/);
});

test("that of root without capabilities does without processes", gate, () => {
  const { status, lines, output } = run({ user: "root", userNamespaces: false }, ...walkthrough);
  assert.equal(status, 0, output);
  assert.deepEqual(lines.slice(0, 2), told("no CAP_SYS_ADMIN"));
  assert.match(output, /\[ok\] each container has an address/);
  assert.doesNotMatch(output, /two jails run/);
  assert.match(lines.at(-1) ?? "", /^The walkthrough holds on the simulated kernel, as far as it goes there/);
});

test("a plain user who can have neither is told so, without a stack trace", gate, () => {
  const { status, lines, output } = run({ user: "nobody", userNamespaces: false }, ...walkthrough);
  assert.equal(status, 1);
  assert.deepEqual(lines.slice(0, 2), told("not root"));
  assert.match(lines.at(-1) ?? "", /^klee: nor does this system let a plain user have a user namespace/);
  assert.doesNotMatch(output, /\n {4}at /);
});

// One file that all can run, one that needs root, one that a user namespace's root can run in part.
const chosen = ["scripts/test.mjs", "test/ffi/inet.test.ts", "test/ffi/linux/rtnl.test.ts", "test/cli/wait.test.ts"];

/** How many did not run, by the lines that say so. */
function unrun(lines: readonly string[]): {
  readonly all: number;
  readonly byReason: Readonly<Record<string, number>>;
} {
  const first = lines.findIndex((line) => line.endsWith(" tests or groups of tests did not run here:"));
  assert.ok(first > 0, lines.join("\n"));
  const counted = lines.slice(first + 1, -1).map((line) => line.split(": "));
  return {
    all: Number.parseInt(lines[first] ?? "", 10),
    byReason: Object.fromEntries(counted.map(([count, reason]) => [reason, Number(count)])),
  };
}

test("tests that cannot run are counted with their reasons, and the others decide", gate, () => {
  const { status, lines, output } = run({ user: "nobody", userNamespaces: false }, ...chosen);
  assert.equal(status, 0, output);
  assert.equal(lines.at(-1), "All of them run as root on a machine, in a VM, or in `docker run --privileged`.");
  const without = unrun(lines);
  assert.deepEqual(without.byReason, { "not root": without.all });
  assert.match(output, /^ℹ pass [1-9]/m);
  assert.match(output, /^ℹ fail 0$/m);

  const within = run({ user: "nobody", userNamespaces: true }, ...chosen);
  assert.equal(within.status, 0, within.output);
  const { all, byReason } = unrun(within.lines);
  assert.ok(all > 0 && all < without.all, "in a user namespace more of them run");
  assert.deepEqual(byReason, { "no BPF programs for cgroups in a user namespace": all });
});

test("with CI set, what cannot run has failed", gate, () => {
  const { status, output } = run({ user: "nobody", userNamespaces: true, ci: "true" }, ...chosen);
  assert.equal(status, 1);
  assert.match(output, /this test cannot run here: not root/);
});
