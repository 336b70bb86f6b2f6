import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SupervisorError } from "../../src/ffi/native.ts";
import { needs } from "../support/gate.ts";
import { withJail } from "./jail.ts";

const CAPABILITIES = "00000000800405fb";
const WITH_RAW = "00000000800425fb";

describe("what a container sees", needs("root", "cgroup2", "overlay", "busybox"), () => {
  test("its own hostname, processes and root; the host's mounts unchanged", () =>
    withJail(async (jail) => {
      const before = readFileSync("/proc/self/mountinfo", "utf8");
      const sleeper = await jail.start(["sleep", "1000"]);
      assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before, "while it runs");
      const { output } = await jail.runInside([
        "sh",
        "-c",
        "hostname; ls /; set -- /proc/[0-9]*; echo $#; cat /proc/1/comm",
      ]);
      assert.equal(output, "boxed\nbin\ndev\netc\nproc\ntmp\n3\nklee-init\n");
      sleeper.signal(9);
      await sleeper.exited;
      assert.equal(readFileSync("/proc/self/mountinfo", "utf8"), before, "after it");
    }));

  test("/dev has the harmless devices and a terminal file system", () =>
    withJail(async (jail) => {
      const output = await jail.shell(
        "ls /dev; for d in null zero full random urandom tty; do stat -c '%n %t,%T %a' /dev/$d; done;" +
          "for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; head -c 3 /dev/zero | wc -c; echo gone > /dev/null",
      );
      assert.equal(
        output,
        "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n" +
          "/dev/null 1,3 666\n/dev/zero 1,5 666\n/dev/full 1,7 666\n/dev/random 1,8 666\n/dev/urandom 1,9 666\n/dev/tty 5,0 666\n" +
          "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n3\n",
      );
      const mounts = await jail.shell("mount");
      assert.match(mounts, /^devpts on \/dev\/pts type devpts \(rw,nosuid,noexec/m);
      assert.match(mounts, /^tmpfs on \/dev\/shm type tmpfs \(rw,nosuid,nodev,noexec/m);
    }));

  test("no /dev unless asked for", () =>
    withJail(async (jail) => {
      const { output } = await jail.run(["ls", "/"], { run: { devfs: false } });
      assert.equal(output, "bin\netc\nproc\ntmp\n");
    }));

  test("/proc does not tell of the host or act on it", () =>
    withJail(async (jail) => {
      const output = await jail.shell(
        "mount; wc -c < /proc/keys; wc -c < /proc/timer_list; ls /proc/acpi /proc/scsi 2>/dev/null | grep -v : ;" +
          "echo 1 > /proc/sys/kernel/panic; [ -e /proc/sysrq-trigger ] && echo h > /proc/sysrq-trigger; echo end",
      );
      assert.match(output, /^overlay on \/ type overlay \(rw,nosuid,nodev,/m);
      assert.match(output, /^proc on \/proc type proc \(rw,nosuid,nodev,noexec/m);
      assert.match(output, /^proc on \/proc\/sys type proc \(ro,nosuid,nodev,noexec/m);
      assert.match(output, /^0\n0\n/m);
      assert.match(output, /can't create \/proc\/sys\/kernel\/panic: Read-only file system/);
    }));

  test("pid 1 is out of reach", () =>
    withJail(async (jail) => {
      const output = await jail.shell("ls -l /proc/1/exe /proc/1/fd /proc/1/root/ 2>&1; kill -9 1; kill -0 1; echo $?");
      assert.equal(output.match(/Permission denied/g)?.length, 2, output);
      assert.match(output, /^\/proc\/1\/fd:\ntotal 0$/m, "nothing is open in it");
      assert.match(output, /^0$/m, "pid 1 outlives a kill from inside");
    }));

  test("a container can get at the supervisor's program", () =>
    withJail(async (jail) => {
      // The magic link names the program that is about to be replaced, the supervisor's, while execve runs.
      assert.equal((await jail.run(["/proc/self/exe"])).code, 2, "it tells its usage");
    }));

  test("the supervisor's program cannot be written to, even by who holds it open", () =>
    withJail(async (jail) => {
      const sleeper = await jail.start(["sleep", "1000"]);
      const supervisor = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${sleeper.pid}/status`, "utf8"))?.[1];
      const program = openSync(`/proc/${supervisor}/exe`, "r");
      process.kill(Number(supervisor), "SIGKILL");
      writeFileSync(join(jail.cgroup, "cgroup.kill"), "1");
      await assert.rejects(sleeper.exited);
      // Opening it for writing could fail for another reason: ETXTBSY, while any container runs on this machine.
      const path = `/proc/self/fd/${program}`;
      assert.throws(() => chmodSync(path, 0o755), { code: "EROFS" });
      closeSync(program);
    }));

  test("only standard descriptors are inherited", () =>
    withJail(async (jail) => {
      // The fourth is the directory that ls reads.
      assert.equal(await jail.shell("exec ls /proc/self/fd"), "0\n1\n2\n3\n");
    }));

  test("it changes its upper layer only", () =>
    withJail(async (jail) => {
      await jail.shell("echo changed > /etc/passwd; echo new > /new; umask > /mask; pwd > /cwd");
      assert.match(readFileSync(join(jail.image, "etc/passwd"), "utf8"), /^root:x:0/);
      assert.ok(!existsSync(join(jail.image, "new")));
      assert.equal(readFileSync(join(jail.upper, "new"), "utf8"), "new\n");
      assert.equal(readFileSync(join(jail.upper, "mask"), "utf8"), "0022\n");
      assert.equal(readFileSync(join(jail.upper, "cwd"), "utf8"), "/\n");
    }));

  test("the running host as image: its root below, the upper layer inside it", () =>
    withJail(async (jail) => {
      const root = { ...jail.runSpec().root, lower: ["/"] };
      const { output, code } = await jail.run(
        ["/usr/bin/busybox", "sh", "-c", "cat /etc/hostname; echo x > /klee-test-probe"],
        {
          run: { root },
        },
      );
      assert.equal(code, 0, output);
      assert.equal(output, readFileSync("/etc/hostname", "utf8"));
      assert.ok(!existsSync("/klee-test-probe"));
      assert.ok(existsSync(join(jail.upper, "klee-test-probe")));
    }));
});

describe("mounts", needs("root", "cgroup2", "overlay", "busybox"), () => {
  test("directories and files, read-only and writable, made where they are missing", () =>
    withJail(async (jail) => {
      const data = join(jail.directory, "data");
      mkdirSync(data);
      writeFileSync(join(data, "file"), "content\n");
      const mounts = [
        { source: data, destination: "/deep/below/data", read_only: false },
        { source: data, destination: "/fixed", read_only: true },
        { source: join(data, "file"), destination: "/etc/resolv.conf", read_only: true },
      ];
      const { output } = await jail.run(
        [
          "sh",
          "-c",
          "cat /etc/resolv.conf; echo new > /deep/below/data/new; echo no > /fixed/no; echo no > /etc/resolv.conf; mount",
        ],
        { run: { mounts } },
      );
      assert.match(output, /^content\n/);
      assert.match(output, /can't create \/fixed\/no: Read-only file system/);
      assert.match(output, /can't create \/etc\/resolv.conf: Read-only file system/);
      assert.match(output, / on \/deep\/below\/data type \S+ \(rw,nosuid,nodev/m);
      assert.equal(readFileSync(join(data, "new"), "utf8"), "new\n");
      assert.ok(!existsSync(join(data, "no")));
    }));

  test("a symlink in the image does not lead a mount outside", () =>
    withJail(async (jail) => {
      const data = join(jail.directory, "data");
      const outside = join(jail.directory, "outside");
      mkdirSync(data);
      mkdirSync(outside);
      writeFileSync(join(data, "file"), "content\n");
      symlinkSync(outside, join(jail.image, "absolute"));
      symlinkSync(`../../../../../../..${outside}`, join(jail.image, "relative"));
      for (const name of ["absolute", "relative"]) {
        const mounts = [{ source: data, destination: `/${name}/made`, read_only: true }];
        // What it points at is made, within the root.
        assert.equal(await jail.shell(`cat /${name}/made/file`, { run: { mounts } }), "content\n");
      }
      assert.deepEqual([existsSync(join(outside, "made"))], [false]);
      mkdirSync(join(jail.image, outside), { recursive: true });
      const mounts = [{ source: data, destination: "/absolute/made", read_only: true }];
      const { output } = await jail.run(["cat", `${outside}/made/file`], { run: { mounts } });
      assert.equal(output, "content\n", "the link is followed inside the image");
      assert.deepEqual([existsSync(join(outside, "made"))], [false]);
    }));

  test("/proc and /dev are never a symlink's target", () =>
    withJail(async (jail) => {
      symlinkSync("/etc", join(jail.image, "dev"));
      const failure = await jail.start(["true"]).catch((error: unknown) => error);
      assert.ok(failure instanceof SupervisorError);
      assert.deepEqual([failure.object, failure.code], ["/dev", "ELOOP"]);
    }));
});

describe("what a process may do", needs("root", "cgroup2", "overlay", "busybox"), () => {
  test("root has the limited capabilities, no new privileges, and the filter", () =>
    withJail(async (jail) => {
      const status = await jail.shell("cat /proc/self/status");
      assert.match(status, /^CapInh:\s+0{16}$/m);
      assert.match(status, new RegExp(`^CapPrm:\\s+${CAPABILITIES}$`, "m"));
      assert.match(status, new RegExp(`^CapEff:\\s+${CAPABILITIES}$`, "m"));
      assert.match(status, new RegExp(`^CapBnd:\\s+${CAPABILITIES}$`, "m"));
      assert.match(status, /^CapAmb:\s+0{16}$/m);
      assert.match(status, /^NoNewPrivs:\s+1$/m);
      assert.match(status, /^Seccomp:\s+2$/m);
    }));

  test("raw sockets when asked for", () =>
    withJail(async (jail) => {
      const { output } = await jail.run(["cat", "/proc/self/status"], { process: { raw_sockets: true } });
      assert.match(output, new RegExp(`^CapEff:\\s+${WITH_RAW}$`, "m"));
      assert.match(output, new RegExp(`^CapBnd:\\s+${WITH_RAW}$`, "m"));
    }));

  test("a user of the container's passwd file, with groups and without capabilities", () =>
    withJail(async (jail) => {
      const { output } = await jail.run(["sh", "-c", "id; cat /proc/self/status; env"], {
        process: { user: "web", env: ["PATH=/bin", "SHELL=/kept"] },
      });
      assert.match(output, /^uid=80\(web\) gid=81\(www\) groups=4\(log\),81\(www\)$/m);
      assert.match(output, /^CapPrm:\s+0{16}$/m);
      assert.match(output, /^CapEff:\s+0{16}$/m);
      assert.match(output, /^HOME=\/srv\/web$/m);
      assert.match(output, /^USER=web$/m);
      assert.match(output, /^SHELL=\/kept$/m);
    }));

  test("numbers without an entry, and a group", () =>
    withJail(async (jail) => {
      const { output } = await jail.run(["id"], { process: { user: "4000:log" } });
      assert.equal(output, "uid=4000 gid=4(log) groups=4(log)\n");
    }));

  test("the environment is the given one, nothing of klee's", () =>
    withJail(async (jail) => {
      process.env.KLEE_TEST_SECRET = "x";
      const { output } = await jail.run(["env"], { process: { env: ["PATH=/bin", "A=b c"] } });
      assert.deepEqual(output.trim().split("\n").sort(), [
        "A=b c",
        "HOME=/root",
        "PATH=/bin",
        "SHELL=/bin/sh",
        "USER=root",
      ]);
    }));

  test("no mounts, no namespaces, no device nodes", () =>
    withJail(async (jail) => {
      const output = await jail.shell(
        "mount -t tmpfs none /tmp; busybox unshare -m true; busybox mknod /tmp/sda b 8 0",
      );
      assert.equal(output.match(/(Operation not permitted|permission denied)/gi)?.length, 3, output);
    }));
});
