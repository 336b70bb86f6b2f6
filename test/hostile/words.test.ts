import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkEnvironment } from "../../src/kleene/container/environment.ts";
import { parseMount } from "../../src/kleene/container/mounts.ts";
import { KleeError } from "../../src/kleene/errors.ts";
import { parseParameters } from "../../src/kleene/host/parameters.ts";
import { checkName } from "../../src/kleene/identity.ts";
import { checkWanted } from "../../src/kleene/network/endpoints.ts";
import { parseSubnet } from "../../src/kleene/network/parse-subnet.ts";
import { addressToNumber, familyOf, numberToAddress, storedSubnet } from "../../src/kleene/network/subnet.ts";
import { FakeCli } from "../cli/unit/fake.ts";
import { runs, seed } from "./seed.ts";

/** Anything, and what is nearly right: pieces of the right alphabet, put together at random. */
const near = (...pieces: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((words) => words.join("")),
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.constantFrom(
      "",
      "\0",
      "\n",
      "-",
      "--",
      "x".repeat(5000),
      "\u202e",
      "$(id)",
      "`id`",
      "';--",
      "%s%n",
      "../../etc",
    ),
  );
const digits = ["0", "1", "9", "10", "255", "256", "00", "08", "0x1", "1e3", "-1", "+1"];
const addresses = near(...digits, ".", ".", ".", ":", "::", "ffff", "fd00", "%", "/", "/24", "/33", "/129", " ");

/** Takes it, or refuses it as a request: in one line that a terminal can show. */
function accepts(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    assert.ok(error instanceof KleeError, `not refused but failed: ${error instanceof Error ? error.stack : error}`);
    assert.ok(["INVALID", "UNSUPPORTED"].includes(error.code), error.code);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be in it
    assert.doesNotMatch(error.message, /[\u0000-\u001f]/);
    return false;
  }
}

const check = <T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void): void =>
  fc.assert(fc.property(arbitrary, property), { seed, numRuns: runs(3000) });

test("subnets: taken as they are stored, or refused", () => {
  check(fc.tuple(addresses, fc.constantFrom(4 as const, 6 as const)), ([text, family]) => {
    accepts(() => {
      const subnet = parseSubnet("subnet", family, text);
      assert.deepEqual(storedSubnet(subnet.cidr), subnet);
    });
  });
});

test("addresses: what is taken can be told again", () => {
  check(addresses, (text) => {
    accepts(() => checkWanted({ ip: text, ip6: undefined }));
    accepts(() => checkWanted({ ip: undefined, ip6: text }));
    const family = familyOf(text);
    if (family === undefined) return;
    const value = addressToNumber(text);
    assert.equal(addressToNumber(numberToAddress(family, value)), value);
  });
});

test("mounts: absolute paths that stay where they are, or the name of a volume", () => {
  check(near("/", "/", ":", ":", "..", ".", "a", "ro", "rw", "\\", " "), (text) => {
    accepts(() => {
      const { source, destination, type } = parseMount("id", text);
      if (type === "volume") assert.match(source, /^[a-zA-Z0-9][\w.-]*$/);
      for (const path of type === "volume" ? [destination] : [source, destination]) {
        assert.match(path, /^\//);
        assert.ok(!path.split("/").includes(".."), path);
        assert.ok(!path.includes("\0"), JSON.stringify(path));
      }
      assert.notEqual(destination, "/");
    });
  });
});

test("environment, names, jail parameters", () => {
  check(near("A", "=", "PATH", "\0", "\n", "'", '"'), (text) => {
    if (accepts(() => checkEnvironment([text]))) assert.ok(!text.includes("\0") && text.indexOf("=") > 0);
  });
  check(near("a", "-", "_", ".", "/", " ", "A9"), (text) => {
    if (accepts(() => checkName("container", text))) assert.match(text, /^[a-zA-Z0-9][\w.-]{0,127}$/);
  });
  const words = ["allow.raw_sockets", "host.hostname", "exec.", "stop", "mount.", "no", "devfs", "=", '"', "true", "0"];
  check(fc.array(near(...words, "persist", "ip4.addr", "path"), { maxLength: 3 }), (parameters) => {
    accepts(() => parseParameters(parameters, "id", "this host", () => undefined));
  });
});

test("command lines: a status, and one line for each complaint", async () => {
  const words = [
    "network",
    "container",
    "image",
    "system",
    "create",
    "rm",
    "run",
    "exec",
    "ls",
    "start",
    "stop",
    "prune",
  ];
  const options = [
    "-n",
    "-a",
    "-d",
    "-it",
    "-f",
    "--subnet",
    "--ip",
    "--name",
    "--",
    "-",
    "--format",
    "--help",
    "-h",
    "-J",
  ];
  const word = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...words) },
    { weight: 2, arbitrary: fc.constantFrom(...options) },
    { weight: 1, arbitrary: near("a", "/", "=", ":", "1") },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 7 }), async (argv) => {
      const { status, stderr } = await new FakeCli().run(...argv);
      assert.ok(Number.isInteger(status) && status >= 0 && status < 256);
      assert.doesNotMatch(stderr, /\n\s+at |\bundefined\b|\[object/);
      assert.ok(status === 0 || stderr !== "");
    }),
    { seed, numRuns: runs(1000) },
  );
});
