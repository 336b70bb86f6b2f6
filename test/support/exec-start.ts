import assert from "node:assert/strict";
import type { Finished } from "./machine.ts";

/** A host, real or simulated, with an image `box` whose command is none of those here. */
interface ExecStartHost {
  klee(args: readonly string[]): Finished;
}

/** jail.conf's `exec.start`, given when a container is made and changed later: what runs, and what is kept. */
export function tryExecStart(host: ExecStartHost): void {
  const ok = (...args: string[]): string => {
    const { status, stdout, stderr } = host.klee(args);
    assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const refused = (...args: string[]): string => {
    const { status, stderr } = host.klee(args);
    assert.equal(status, 1, `klee ${args.join(" ")}: ${stderr}`);
    return stderr;
  };
  const container = () => JSON.parse(ok("container", "inspect", "started")).container;
  const update = (parameter: string): void => {
    ok("container", "update", "-J", parameter, "started");
  };
  const shows = (text: RegExp): void => {
    assert.match(ok("start", "started"), text);
  };

  ok("create", "-l", "disabled", "--name", "started", "box", "sh", "-c", "echo given");
  shows(/^given$/m);
  update("exec.start=echo one");
  assert.deepEqual(container().cmd, ["echo", "one"]);
  shows(/^one$/m);
  // Shell syntax is the container's shell's.
  update('exec.start="echo $((20 + 2)) | sed s/^/it:/"');
  assert.deepEqual(container().cmd, ["/bin/sh", "-c", "echo $((20 + 2)) | sed s/^/it:/"]);
  shows(/^it:22$/m);
  const { jail_param } = container();
  assert.deepEqual(
    jail_param.filter((parameter: string) => parameter.startsWith("exec.start")),
    ['exec.start="echo $((20 + 2)) | sed s/^/it:/"'],
  );
  // What does not concern it leaves the command alone, and so does the same value once more.
  update("host.hostname=other");
  assert.match(container().cmd[2], /^echo \$/);
  ok("container", "update", "started", "--", "echo", "operand");
  update('exec.start="echo $((20 + 2)) | sed s/^/it:/"');
  assert.deepEqual(container().cmd, ["echo", "operand"]);
  // A command that is given goes before it.
  ok("container", "update", "-J", "exec.start=echo two", "started", "--", "echo", "three");
  assert.deepEqual(container().cmd, ["echo", "three"]);
  shows(/^three$/m);
  // Taking it away takes no command.
  update("exec.nostart");
  assert.deepEqual(container().cmd, ["echo", "three"]);
  const before = container();
  assert.match(
    refused("container", "update", "-J", "exec.prestart=true", "started"),
    /exec\.prestart is not available/,
  );
  assert.match(refused("container", "update", "-J", "exec.start=two", "-J", "exec.fib=1", "started"), /exec\.fib/);
  assert.deepEqual(container(), before);
  ok("rmc", "started");
}
