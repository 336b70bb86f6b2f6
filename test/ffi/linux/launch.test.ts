/** Containers as an importer starts them: by the public exports alone. */
import assert from "node:assert/strict";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { cgroup, launch, openDescriptors } from "klee/ffi/linux";
import { needs } from "../../support/gate.ts";
import { buildRoot } from "../../support/rootfs.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

after(() => assert.deepEqual(openDescriptors(), []));

test("a container is started, entered and ended", needs("root", "cgroup2", "overlay", "busybox"), async () => {
  using temporary = temporaryDirectory();
  const place = (name: string): string => {
    const path = join(temporary.path, name);
    mkdirSync(path);
    return path;
  };
  const lower = place("lower");
  buildRoot(lower, ["sh"]);
  const shared = place("shared");
  writeFileSync(join(shared, "word"), "bound\n");
  const container: launch.Container = {
    cgroup: join(cgroup.cgroupRoot() ?? "", `klee-test-launch-${process.pid}`),
    state: place("state"),
    root: { lower: [lower], upper: place("upper"), work: place("work"), mountpoint: place("root") },
    hostname: "boxed",
    mounts: [{ source: shared, destination: "/mnt", readOnly: true }],
  };
  const output = join(temporary.path, "output");
  const file = openSync(output, "w");
  const sh = (line: string) => ({ argv: ["sh", "-c", line], env: ["PATH=/bin"], directory: "/", stdout: file });
  try {
    using first = await launch.startContainer(container, sh("hostname; touch made; cat mnt/word; exec sleep 60"));
    await assert.rejects(launch.startContainer(container, sh("exit")), { call: "mkdir", code: "EEXIST" });
    assert.ok(cgroup.ownProcessesOf(join(container.cgroup, "payload")).includes(first.pid));
    using second = await launch.startInContainer(container.cgroup, sh("hostname; touch mnt/no || exit 7"));
    assert.deepEqual(await second.exited, { code: 7, signal: undefined, containerEmpty: false });
    await assert.rejects(
      launch.startInContainer(container.cgroup, { argv: ["none"] }),
      (error) => error instanceof launch.SupervisorError && error.step === "execve" && error.code === "ENOENT",
    );
    first.signal(15);
    assert.deepEqual(await first.exited, { code: undefined, signal: 15, containerEmpty: true });
  } finally {
    await launch.endContainer(container.cgroup);
    closeSync(file);
  }
  assert.equal(readFileSync(output, "utf8").match(/boxed/g)?.length, 2);
  assert.match(readFileSync(output, "utf8"), /^bound$/m);
  assert.ok(existsSync(join(container.root.upper, "made")));
  assert.ok(!existsSync(container.cgroup));
  await launch.endContainer(container.cgroup);
  await assert.rejects(launch.startInContainer(container.cgroup, { argv: ["sh"] }), { code: "ENOENT" });
});
