import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Where the programs of a container's root come from: this machine's own, with the libraries they need. */
const searched = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

export function findProgram(name: string): string {
  const found = searched.map((directory) => join(directory, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found;
}

/** A root file system of busybox and a few of this machine's programs. */
export function buildRoot(root: string, programs: readonly string[]): void {
  for (const directory of ["bin", "sbin", "usr/bin", "etc", "tmp", "proc", "dev", "var/spool/cron/crontabs", "root"])
    mkdirSync(join(root, directory), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  copyFileSync(findProgram("busybox"), join(root, "bin/busybox"));
  const applets = spawnSync(findProgram("busybox"), ["--list"], { encoding: "utf8" }).stdout.trim().split("\n");
  for (const applet of applets)
    if (applet !== "busybox" && !programs.includes(applet)) symlinkSync("busybox", join(root, "bin", applet));
  for (const program of programs) copyProgram(root, program);
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nwww:x:80:80:web:/nonexistent:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\nwww:x:80:\n");
}

function copyProgram(root: string, program: string): void {
  const path = findProgram(program);
  copyFileSync(path, join(root, "bin", program));
  const { stdout } = spawnSync("ldd", [path], { encoding: "utf8" });
  for (const [library] of stdout.matchAll(/\/[^\s()]+/g)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
}

/** An rc(8) that, as a real one, leaves a daemon running. */
export function writeRc(root: string): void {
  writeFileSync(
    join(root, "etc/rc"),
    '#!/bin/sh\necho "Starting file system checks:"\necho "Starting crond."\ncrond -L /dev/null\ndate -u > /tmp/boot\n',
  );
}
