/**
 * The walkthrough on a simulated FreeBSD kernel, by klee's command line, through koffi and the supervisor as on FreeBSD.
 * The payloads are this machine's: what they do with sockets is outside of the model, so that which addresses they have is
 * read from the jail, the interface and pf.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { needs } from "../support/gate.ts";
import { kleeCommand, waitUntil } from "../support/machine.ts";
import { buildRoot, writeRc } from "../support/rootfs.ts";
import { SimulatedHost } from "../support/simulated-host.ts";
import { ordinaryMachine } from "../support/simulated-machine.ts";
import type { SimulatedMachine } from "../support/simulator.ts";

const id = /^[0-9a-f]{12}$/;

const storages: readonly { readonly name: string; readonly machine: SimulatedMachine; readonly dataset: RegExp }[] = [
  {
    name: "release 15.1, with directories",
    machine: { ...ordinaryMachine, release: 15 },
    dataset: /\/store\/containers\/[0-9a-f]{12}\/root$/,
  },
  {
    name: "release 12.1, with directories",
    machine: { ...ordinaryMachine, release: 12 },
    dataset: /\/store\/containers\/[0-9a-f]{12}\/root$/,
  },
  {
    name: "with ZFS",
    machine: { ...ordinaryMachine, datasets: { zroot: "none", "zroot/ROOT": "none", "zroot/ROOT/default": "/" } },
    dataset: /^zroot\/klee\/container\/[0-9a-f]{12}$/,
  },
];

for (const { name, machine, dataset } of storages)
  describe(`the walkthrough on FreeBSD, simulated, ${name}`, needs("root", "host", "busybox"), () => {
    const host = new SimulatedHost(machine);
    after(() => host[Symbol.dispose]());
    const klee = (...args: readonly string[]): string => {
      const { status, stdout, stderr } = host.klee(args);
      assert.equal(status, 0, `klee ${args.join(" ")}: ${stderr}`);
      return stdout;
    };
    const interfaceOf = (name: string) => host.state().interfaces.find((one) => one.name === name);
    const living = () => host.state().jails.filter((one) => one.dying_until === null);
    let network = "";
    let first = "";

    test("an image is made", (t) => {
      t.diagnostic("the kernel is simulated; what payloads do with sockets is this machine's, outside of the model");
      const root = host.folder("rootfs");
      buildRoot(root, ["sh"]);
      writeRc(root);
      writeFileSync(
        `${root}/etc/master.passwd`,
        "root:*:0:0::0:0::/root:/bin/sh\nwww:*:80:80:limited:0:0::/:/bin/sh\n",
      );
      assert.match(klee("image", "create", "dir", root, "-t", "FreeBSD").trim(), id);
    });

    test("a network is an interface of klee's", () => {
      network = klee("network", "create", "--subnet", "10.2.3.0/24", "testnet").trim();
      assert.match(network, id);
      const made = interfaceOf("kleene0");
      assert.equal(made?.description, `klee ${network}`);
      assert.deepEqual(made?.groups, ["all", "lo", "klee"]);
      assert.ok("klee" in host.state().pf.anchors);
      assert.equal(JSON.parse(klee("network", "inspect", "testnet")).network.nat, "em0");
    });

    test("run starts a jail with its address, and takes all of it away", () => {
      const { status, output } = host.kleeInOrder([
        ...["run", "-l", "ipnet", "-n", "testnet", "--name", "strange_moser", "FreeBSD"],
        ...["/bin/sh", "-c", "hostname; ls /dev; exit 3"],
      ]);
      const lines = output.trimEnd().split("\n");
      first = lines[0] ?? "";
      assert.match(first, id);
      assert.match(lines[1] ?? "", /^created execution instance [0-9a-f]{12}$/);
      assert.equal(lines[2], first, "the jail's host name");
      assert.deepEqual(lines.slice(3, -2), ["fd", "full", "null", "ptmx", "pts", "random", "tty", "urandom", "zero"]);
      assert.match(lines.at(-1) ?? "", /^executable [0-9a-f]{12} and its container exited with exit-code 3$/);
      assert.equal(status, 3);
      assert.deepEqual(living(), []);
      assert.deepEqual(
        interfaceOf("kleene0")?.addresses.map(({ ip }) => ip),
        ["::1", "fe80::1"],
      );
      assert.deepEqual(
        host.state().mounts.filter(({ path }) => path.includes(first)),
        [],
      );
    });

    test("inspect has the keys and values of the documentation", () => {
      const { container, container_endpoints: endpoints } = JSON.parse(klee("container", "inspect", "strange_moser"));
      assert.deepEqual(Object.keys(container), Object.keys(container).sort());
      assert.match(container.dataset, dataset);
      assert.deepEqual(container.jail_param, ["mount.devfs", 'exec.stop="/bin/sh /etc/rc.shutdown jail"']);
      assert.equal(container.network_driver, "ipnet");
      assert.equal(container.running, false);
      assert.deepEqual(endpoints, [
        {
          container_id: first,
          epair: null,
          id: endpoints[0].id,
          ip_address: "10.2.3.1",
          ip_address6: "",
          network_id: "testnet",
        },
      ]);
    });

    test("exec starts it as a thin machine, whose daemon keeps it running", () => {
      const { status, output } = host.kleeInOrder(["exec", "strange_moser", "/bin/sh", "/etc/rc"]);
      assert.equal(status, 0, output);
      assert.match(output, /\n[0-9a-f]{12} has exited with exit-code 0\n$/);
      const [jail] = living();
      assert.equal(jail?.name, first);
      assert.deepEqual(jail?.ip4, ["10.2.3.1"]);
      assert.deepEqual(
        [jail?.bools.persist, jail?.bools["allow.raw_sockets"], jail?.ints.enforce_statfs, jail?.ints.devfs_ruleset],
        [false, false, 2, 4],
      );
      assert.deepEqual(interfaceOf("kleene0")?.addresses.at(-1), { ip: "10.2.3.1", prefix: 32, broadcast: null });
      assert.match(klee("lsc", "-a"), new RegExp(` ${first} +strange_moser .* running +${jail?.jid} *\n`));
    });

    test("a second one beside it, and a command in it", () => {
      klee("run", "-d", "-l", "ipnet", "-n", "testnet", "--name", "hungry_knuth", "FreeBSD", "sleep", "1000");
      assert.deepEqual(
        living()
          .map(({ ip4 }) => ip4[0])
          .sort(),
        ["10.2.3.1", "10.2.3.2"],
      );
      assert.match(host.kleeInOrder(["exec", "hungry_knuth", "id", "-un"]).output, /\nroot\n/);
      assert.match(
        host.kleeInOrder(["exec", "hungry_knuth", "/bin/sh", "-c", "ulimit -Hc"]).output,
        /\n0\n/,
        "login class",
      );
      assert.match(
        host.kleeInOrder(["exec", "-u", "www", "hungry_knuth", "/bin/sh", "-c", "ulimit -n"]).output,
        /\n64\n/,
      );
      assert.equal(host.klee(["exec", "hungry_knuth", "nosuch"]).status, 127);
      const shown = klee("top", "--format", "json", "hungry_knuth").trim().split("\n");
      assert.equal(shown.length, 1);
      const { command, uid, pid, residentBytes } = JSON.parse(shown[0] ?? "");
      assert.deepEqual([command, uid, residentBytes % 4096], ["sleep 1000", 0, 0]);
      assert.ok(residentBytes > 0 && pid > 1);
      const used = JSON.parse(klee("stats", "--no-stream", "--format", "json", "hungry_knuth"));
      assert.deepEqual([used.name, used.processes], ["hungry_knuth", 1]);
      assert.ok(used.memoryBytes >= 0 && used.cpuPercent >= 0);
    });

    test("the raw socket parameter, and one that only the kernel knows", () => {
      klee(
        ...["run", "-d", "-l", "host", "-J", "allow.raw_sockets", "-J", "allow.mlock", "-J", "securelevel=2"],
        ...["-J", "sysvshm=new", "-J", "allow.mount.tmpfs"],
        ...["--name", "free", "FreeBSD", "sleep", "1000"],
      );
      const jail = living().find(({ texts }) => texts["host.hostname"] !== first && texts["host.hostname"] !== "");
      const free = living().find(({ bools }) => bools["allow.raw_sockets"]);
      assert.ok(jail !== undefined && free !== undefined);
      assert.deepEqual([free.bools["allow.mlock"], free.ints.securelevel, free.ints.ip4], [true, 2, 2]);
      assert.deepEqual([free.bools["allow.mount.tmpfs"], free.ints.sysvshm], [true, 1]);
      const refused = host.klee(["run", "-J", "allow.nosuch", "FreeBSD", "true"]);
      assert.equal(refused.status, 125);
      assert.match(refused.stderr, /jail parameter allow\.nosuch is not available on FreeBSD/);
    });

    test("a published port, a second network and back, while it runs", () => {
      klee("network", "create", "--subnet", "10.9.0.0/24", "--subnet6", "fd09::/64", "second");
      klee(
        ...["run", "-d", "-l", "ipnet", "-n", "testnet", "-p", "8080:80", "--name", "web"],
        ...["FreeBSD", "sleep", "1000"],
      );
      const web = () =>
        living().find(({ name }) => name === JSON.parse(klee("container", "inspect", "web")).container.id);
      const addresses = web()?.ip4 ?? [];
      assert.equal(addresses.length, 1);
      const [address = ""] = addresses;
      const arriving = { direction: "in", interface: "em0", protocol: 6, source: "203.0.113.5" } as const;
      const redirected = host.judge({ ...arriving, destination: "192.0.2.1", port: 8080 });
      assert.deepEqual([redirected.passed, redirected.packet.destination, redirected.packet.port], [true, address, 80]);
      assert.equal(host.judge({ ...arriving, destination: address, port: 80 }).passed, false);
      klee("network", "connect", "second", "web");
      assert.deepEqual([web()?.ip4, web()?.ip6], [[address, "10.9.0.1"], ["fd09::1"]]);
      assert.deepEqual(
        interfaceOf("kleene1")
          ?.addresses.map(({ ip }) => ip)
          .slice(2)
          .sort(),
        ["10.9.0.1", "fd09::1"],
      );
      klee("network", "disconnect", "second", "web");
      assert.deepEqual([web()?.ip4, web()?.ip6], [[address], []]);
      klee("stop", "web");
      assert.equal(host.judge({ ...arriving, destination: "192.0.2.1", port: 8080 }).packet.destination, "192.0.2.1");
      klee("rmc", "web");
      klee("rmn", "second");
    });

    test("a terminal of the jail's own", () => {
      const command = `${process.execPath} ${kleeCommand} run -it --rm FreeBSD /bin/sh -c 'tty; test -t 0 && echo yes'`;
      const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
        env: host.environment(),
        encoding: "utf8",
      });
      assert.match(stdout, /\/dev\/pts\/0\r\n(\^@)?yes\r\n/);
    });

    test("a terminal to attach to, and a standard input", () => {
      const echo = "while read line; do echo got:$line; [ $line = end ] && exit 5; done";
      klee("run", "-dit", "--name", "shown", "FreeBSD", "/bin/sh", "-c", echo);
      const attach = (name: string) =>
        spawnSync(process.execPath, [kleeCommand, "attach", name], {
          env: host.environment(),
          encoding: "utf8",
          input: "word\nend\n",
        });
      const typed = attach("shown");
      assert.equal(typed.status, 5, typed.stderr);
      assert.match(klee("logs", "shown"), /got:word\r\n[\s\S]*got:end/);
      klee("run", "-di", "--name", "piped", "FreeBSD", "/bin/sh", "-c", echo);
      const piped = attach("piped");
      assert.equal(piped.status, 5, piped.stderr);
      assert.equal(klee("logs", "piped"), "got:word\ngot:end\n");
      klee("rmc", "shown", "piped");
    });

    test("a signal to the first process, and the status that is kept", () => {
      klee(
        "run",
        "-d",
        "--name",
        "job",
        "FreeBSD",
        "/bin/sh",
        "-c",
        "trap 'exit 3' USR1; while :; do sleep 0.05; done",
      );
      assert.equal(JSON.parse(klee("container", "inspect", "job")).container.exit_code, null);
      klee("kill", "-s", "USR1", "job");
      assert.equal(klee("wait", "job"), "3\n");
      waitUntil(() => JSON.parse(klee("container", "inspect", "job")).container.exit_code === 3, "the end to be seen");
    });

    test("limits are rctl(4) rules of the jail, for as long as it runs", () => {
      const limits = ["--memory", "64m", "--cpus", "1.5", "--pids", "20"];
      const { stdout } = host.klee(["run", "-d", ...limits, "--name", "small", "FreeBSD", "sleep", "1000"]);
      const rule = (rest: string) => `jail:${stdout.slice(0, 12)}:${rest}`;
      const wanted = ["pcpu:deny=150", "memoryuse:deny=67108864", "maxproc:deny=20"].map(rule);
      assert.deepEqual([...host.state().limits].sort(), wanted.sort());
      klee("container", "update", "--pids", "9", "--memory", "", "small");
      assert.deepEqual([...host.state().limits].sort(), ["maxproc:deny=9", "pcpu:deny=150"].map(rule), "at once");
      klee("rmc", "-f", "small");
      assert.deepEqual(host.state().limits, []);
      const ports = host.klee(["run", "--ports", "5", "FreeBSD", "true"]);
      assert.deepEqual([ports.status, /--ports: FreeBSD does not count/.test(ports.stderr)], [125, true]);
    });

    test("a command that fails is started again, so many times", () => {
      const failing = ["--restart", "on-failure:2", "--name", "again", "FreeBSD", "/bin/sh", "-c", "echo x; exit 3"];
      klee("run", "-d", "-n", "testnet", ...failing);
      const containerOf = () => JSON.parse(klee("container", "inspect", "again")).container;
      waitUntil(() => klee("logs", "again") === "x\nx\nx\n" && !containerOf().running, "the third run");
      assert.equal(containerOf().restarts, 2);
      waitUntil(() => !klee("lsc", "-a").includes("restarting"), "the end");
      klee("rmc", "again");
    });

    test("stop, and everything is removed", (t) => {
      klee("stop", "hungry_knuth", "strange_moser", "free");
      assert.deepEqual(living(), []);
      for (const one of klee("lsc", "-a", "-q").trimEnd().split("\n")) klee("rmc", "-f", one);
      assert.deepEqual(
        klee("system", "check").trimEnd().split("\n"),
        ["nat-anchor", "rdr-anchor", "anchor"].map((call) => `note: /etc/pf.conf lacks the line: ${call} "klee"`),
      );
      klee("rmn", "testnet");
      klee("rmi", "FreeBSD");
      const { interfaces, mounts, datasets } = host.state();
      assert.deepEqual(
        interfaces.map(({ name }) => name),
        ["em0", "lo0"],
      );
      assert.deepEqual(
        mounts.filter(({ path }) => path.startsWith(host.root)),
        [],
      );
      assert.deepEqual(
        Object.keys(datasets).filter((one) => /[0-9a-f]{12}/.test(one)),
        [],
      );
      t.diagnostic(`walkthrough to its end on FreeBSD, simulated, ${name}`);
    });
  });

describe("images of datasets on FreeBSD, simulated", needs("root", "busybox"), () => {
  const datasets = { zroot: "none", "zroot/ROOT": "none", "zroot/ROOT/default": "/", "zroot/base": "none" };
  const host = new SimulatedHost({ ...ordinaryMachine, datasets });
  after(() => host[Symbol.dispose]());

  for (const method of ["zfs-copy", "zfs-clone"])
    test(`${method}: what is in the dataset is in the image, and nothing of it stays`, () => {
      const before = host.state().datasets;
      const source = host.folder("zfs/zroot%base");
      rmSync(source, { recursive: true });
      buildRoot(source, ["sh"]);
      writeFileSync(`${source}/mark`, `${method}\n`);
      assert.equal(host.klee(["image", "create", method, "zroot/base", "-t", "base"]).status, 0);
      writeFileSync(`${source}/mark`, "later\n");
      const { stdout, stderr } = host.klee(["run", "--rm", "base", "cat", "/mark"]);
      assert.match(stdout, new RegExp(`^${method}$`, "m"), stderr);
      assert.equal(host.klee(["rmi", "base"]).status, 0);
      const { "zroot/base": left } = host.state().datasets;
      assert.deepEqual(left?.snapshots, []);
      assert.deepEqual(
        Object.keys(host.state().datasets).filter((name) => !name.startsWith("zroot/klee")),
        Object.keys(before).filter((name) => !name.startsWith("zroot/klee")),
      );
      const missing = host.klee(["image", "create", method, "zroot/nosuch"]);
      assert.equal(missing.status, 1);
      assert.match(missing.stderr, /zroot\/nosuch.*ENOENT/);
    });
});
