/** What the simulated pf refuses: fields, actions and flags that no record shows, with the kernel's errno where that is known. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  DIOCADDRULE,
  DIOCGETSTATUSNV,
  DIOCKILLSTATESNV,
  DIOCRADDTABLES,
  DIOCRCLRTABLES,
  DIOCRINADEFINE,
  DIOCXBEGIN,
  pfioc_rule,
  pfioc_table,
  pfioc_trans,
  pfioc_trans_e,
  pfr_table,
} from "../../src/ffi/freebsd/abi/pf.ts";
import type { IoctlCall } from "../../src/ffi/freebsd/control.ts";
import { pf } from "../../src/ffi/freebsd/index.ts";
import { encodeNvCall } from "../../src/ffi/freebsd/pf/device.ts";
import type { NvList } from "../../src/ffi/freebsd/pf/nvlist.ts";
import { stateKillList } from "../../src/ffi/freebsd/pf/state.ts";
import { encodeRuleAddition, preparePool } from "../../src/ffi/freebsd/pf/transaction.ts";
import { Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ release: 15, real: false });
after(() => simulator[Symbol.dispose]());

const pass: pf.PfRule = { action: "pass", quick: true, keepState: true };
const RULE = pfioc_rule.fields.rule[0];

/** Sends a rule with one byte changed; the main ruleset is open for it. */
function addRule(device: pf.PfDevice, offset: number, value: number): void {
  const data = pfioc_trans_e.encode({ rs_num: 1 });
  const begin = {
    ioctl: DIOCXBEGIN,
    object: "",
    argument: pfioc_trans.encode({ size: 1, esize: pfioc_trans_e.size }),
    pointee: { at: pfioc_trans.fields.array[0], data },
  };
  const ticket = pfioc_trans_e.decode(device.ioctl(begin).pointee).ticket;
  const { argument } = encodeRuleAddition("", pass, ticket, preparePool(device, pass));
  argument[RULE + offset] = value;
  device.ioctl({ ioctl: DIOCADDRULE, object: "", argument });
}

test("a rule as klee makes it is taken", () => {
  simulator.use();
  pf.withPf((device) => addRule(device, 905, 1));
});

for (const [what, offset, value] of [
  ["a queue", 256, 0x71],
  ["a table for those that overload it", 512, 0x74],
  ["a pool's key", 584, 1],
  ["a pool that hashes", 624, 3],
  ["a limit of states", 784, 1],
  ["a probability", 824, 1],
  ["a user", 876, 1],
  ["flags that are not documented for it", 901, 1],
  ["the action of a scrub", 904, 2],
  ["the action of match", 904, 12],
  ["no direction", 905, 3],
  ["a log of another kind", 906, 2],
  ["a modulated state", 912, 2],
  ["a family that is none", 913, 1],
  ["flags outside of those looked at", 917, 1],
  ["a route", 921, 2],
  ["an end that is neither its address nor not", 52, 2],
] as const)
  test(`a rule with ${what} is EINVAL`, () => {
    simulator.use();
    pf.withPf((device) => assert.throws(() => addRule(device, offset, value), { code: "EINVAL" }));
  });

test("transactions are of the rulesets that rules are in", () => {
  simulator.use();
  pf.withPf((device) => {
    const begin = (rs_num: number) => ({
      ioctl: DIOCXBEGIN,
      object: "",
      argument: pfioc_trans.encode({ size: 1, esize: pfioc_trans_e.size }),
      pointee: { at: pfioc_trans.fields.array[0], data: pfioc_trans_e.encode({ rs_num }) },
    });
    for (const number of [0, 3, 5, 7]) assert.throws(() => device.ioctl(begin(number)), { code: "EINVAL" });
  });
});

test("tables: flags, names and anchors", () => {
  simulator.use();
  pf.withPf((device) => {
    const add = (table: Parameters<typeof pfr_table.encode>[0]) =>
      device.ioctl({
        ioctl: DIOCRADDTABLES,
        object: "",
        argument: pfioc_table.encode({ pfrio_esize: pfr_table.size, pfrio_size: 1 }),
        pointee: { at: pfioc_table.fields.pfrio_buffer[0], data: pfr_table.encode(table) },
      });
    const PERSIST = 1;
    const CONST = 2;
    for (const refused of [
      { pfrt_name: "t" },
      { pfrt_name: "t", pfrt_flags: PERSIST | CONST },
      { pfrt_name: "", pfrt_flags: PERSIST },
      { pfrt_name: "t", pfrt_anchor: "_pf", pfrt_flags: PERSIST },
    ])
      assert.throws(() => add(refused), { code: "EINVAL" });
    const send = (ioctl: IoctlCall["ioctl"], fields: Parameters<typeof pfioc_table.encode>[0]) =>
      device.ioctl({ ioctl, object: "", argument: pfioc_table.encode(fields) });
    const table = { pfrt_anchor: "", pfrt_name: "t" };
    assert.throws(() => send(DIOCRINADEFINE, { pfrio_table: table, pfrio_esize: 20 }), { code: "EBUSY" });
    assert.throws(() => send(DIOCRCLRTABLES, { pfrio_table: { pfrt_anchor: "none" } }), { code: "ENOENT" });
    const DUMMY = 2;
    assert.throws(() => send(DIOCRCLRTABLES, { pfrio_flags: DUMMY }), { code: "EINVAL" });
  });
});

test("connections are ended by a list that is whole, and by nothing that was not seen", () => {
  simulator.use();
  const whole = stateKillList({ id: 1n, creator: 0 });
  const kill = (list: NvList) =>
    pf.withPf((device) => device.ioctl(encodeNvCall(DIOCKILLSTATESNV, "", list, 8192)).argument);
  kill(whole);
  for (const name of ["cmp", "af", "proto", "src", "dst", "ifname", "label", "kill_match"]) {
    const { [name]: _, ...rest } = whole;
    assert.throws(() => kill(rest), { code: "EINVAL" }, `without ${name}`);
  }
  for (const change of [{ ifname: "em0" }, { label: "mine" }, { kill_match: true }])
    assert.throws(() => kill({ ...whole, ...change }), { code: "EINVAL" });
});

test("release 12.1 has no requests in name-value form", () => {
  const older = new Simulator({ release: 12, real: false });
  try {
    older.use();
    pf.withPf((device) =>
      assert.throws(() => device.ioctl(encodeNvCall(DIOCGETSTATUSNV, "", {}, 8192)), { code: "ENODEV" }),
    );
  } finally {
    simulator.use();
    older[Symbol.dispose]();
  }
});
