import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import type { World } from "./world.ts";

const id = "6b933304be4a";
const otherId = "d763328950a2";

/** What the domain relies on in every host's `Interfaces`. */
export function interfacesContract({ host, loopback, addressesSeen, makeForeign, removeForeign }: World): void {
  const { interfaces } = host;
  const names = (): string[] => interfaces.list().map(({ name }) => name);
  const before = names();
  afterEach(() => {
    for (const [name, owner] of Object.entries({ kleene0: id, kleene1: otherId })) interfaces.remove(name, owner);
    assert.deepEqual(names(), before);
  });

  test("an interface is made, listed with its network and addresses, and removed", () => {
    interfaces.create("kleene0", id);
    const { index = 0, linkAddress, ...bare } = interfaces.list().at(-1) ?? {};
    assert.deepEqual(bare, { name: "kleene0", addresses: [], networkId: id });
    assert.ok(index > 0);
    interfaces.addAliases("kleene0", ["10.2.3.1/32", "fd00:2:3::1/128"]);
    const made = interfaces.list().find(({ name }) => name === "kleene0");
    const addresses = ["10.2.3.1/32", "fd00:2:3::1/128"];
    assert.deepEqual(made, { name: "kleene0", index, linkAddress, addresses, networkId: id });
    assert.deepEqual(addressesSeen("kleene0"), ["10.2.3.1/32", "fd00:2:3::1/128"]);
    assert.deepEqual(interfaces.find("kleene0"), made);
    interfaces.remove("kleene0", id);
    interfaces.remove("kleene0", id);
    assert.equal(interfaces.find("kleene0"), undefined);
  });

  test("who has an address is told, whoever it is", () => {
    interfaces.create("kleene0", id);
    interfaces.addAliases("kleene0", ["10.2.3.1/32", "fd00:2:3::1/128"]);
    const asked = ["10.2.3.1", "fd00:2:3::1", "127.0.0.1", "10.2.3.2", "fd00:2:3::2", "203.0.113.1"];
    assert.deepEqual(
      asked.map((address) => interfaces.holderOf(address)),
      [...["kleene0", "kleene0", loopback], ...[undefined, undefined, undefined]],
    );
    assert.equal(interfaces.find(loopback)?.networkId, undefined);
  });

  test("a taken name is a conflict, whoever has it", () => {
    interfaces.create("kleene0", id);
    const conflict = { code: "CONFLICT", message: "interface kleene0 exists already" };
    assert.throws(() => interfaces.create("kleene0", id), conflict);
    assert.throws(() => interfaces.create("kleene0", otherId), conflict);
    assert.throws(() => interfaces.create(loopback, id), { code: "CONFLICT" });
    assert.equal(interfaces.list().find(({ name }) => name === "kleene0")?.networkId, id);
  });

  test("only an interface with the network's own mark is removed or changed", () => {
    interfaces.create("kleene0", id);
    interfaces.remove("kleene0", otherId);
    assert.deepEqual(names(), [...before, "kleene0"]);
    interfaces.remove("kleene0", id);
    makeForeign("kleene0", ["10.2.3.1/32"]);
    try {
      interfaces.remove("kleene0", id);
      assert.throws(() => interfaces.addAliases("kleene0", ["10.2.3.2/32"]), { code: "CONFLICT" });
      interfaces.removeAliases("kleene0", ["10.2.3.1/32"]);
      assert.deepEqual(addressesSeen("kleene0"), ["10.2.3.1/32"]);
    } finally {
      removeForeign("kleene0");
    }
  });

  test("adding what is there and removing what is gone is no error", () => {
    interfaces.create("kleene0", id);
    for (let round = 0; round < 2; round++) interfaces.addAliases("kleene0", ["10.2.3.1/32", "10.2.3.2/32"]);
    assert.deepEqual(addressesSeen("kleene0"), ["10.2.3.1/32", "10.2.3.2/32"]);
    for (let round = 0; round < 2; round++) interfaces.removeAliases("kleene0", ["10.2.3.1/32"]);
    assert.deepEqual(addressesSeen("kleene0"), ["10.2.3.2/32"]);
    interfaces.remove("kleene0", id);
    interfaces.removeAliases("kleene0", ["10.2.3.2/32"]);
    interfaces.addAliases("gone", []);
  });

  test("an address of another interface is a conflict that names it, and nothing is added", () => {
    interfaces.create("kleene0", id);
    interfaces.create("kleene1", otherId);
    interfaces.addAliases("kleene1", ["10.2.3.1/32", "fd00::1/128"]);
    for (const address of ["10.2.3.1", "fd00::1"]) {
      assert.throws(() => interfaces.addAliases("kleene0", ["10.2.3.9/32", address]), {
        code: "CONFLICT",
        message: `cannot add ${address} to kleene0: it is an address of kleene1`,
      });
    }
    assert.throws(() => interfaces.addAliases("kleene0", ["127.0.0.1/32"]), {
      message: `cannot add 127.0.0.1 to kleene0: it is an address of ${loopback}`,
    });
    assert.deepEqual(addressesSeen("kleene0"), []);
  });

  test("an interface that is not there is named", () => {
    assert.throws(() => interfaces.addAliases("gone", ["10.2.3.1/32"]), {
      code: "NOT_FOUND",
      message: "interface gone does not exist; see klee system reconcile",
    });
  });
}
