/** Changes of pf's main ruleset that pf does not take: because another program was faster, or for a reason that stays. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { DIOCCHANGERULE, PF_CHANGE_GET_TICKET, pfioc_rule } from "../../src/ffi/freebsd/abi/pf.ts";
import { errnoTable, type IoctlCall, type IoctlReply, pf, SyscallError } from "../../src/ffi/freebsd/index.ts";
import { Simulator } from "../support/simulator.ts";

const simulator = new Simulator({ real: false, pf: true });
after(() => simulator[Symbol.dispose]());
simulator.use();

/** pf, with something done before each change of the main ruleset. */
class Watched extends pf.PfDevice {
  changes = 0;
  readonly #before: (count: number) => void;

  constructor(before: (count: number) => void) {
    super();
    this.#before = before;
  }

  override ioctl(call: IoctlCall): IoctlReply {
    const changes =
      call.ioctl.cName === DIOCCHANGERULE.cName &&
      pfioc_rule.decodeField("action", call.argument) !== PF_CHANGE_GET_TICKET;
    if (changes) this.#before(++this.changes);
    return super.ioctl(call);
  }
}

test("another program changes the ruleset between ticket and change: all begins again", () => {
  using device = new Watched((count) => {
    if (count === 1) pf.withPf((other) => pf.ensureCalls(other, "theirs"));
  });
  assert.deepEqual(pf.ensureCalls(device, "ours"), ["nat", "rdr", "filter"]);
  assert.equal(device.changes, 4);
  assert.deepEqual(pf.missingCalls(device, "ours"), []);
  assert.deepEqual(pf.missingCalls(device, "theirs"), []);
});

test("a change that pf does not take, nobody else being at work, is not tried for ten seconds", () => {
  using device = new Watched(() => {
    throw new SyscallError({ call: "DIOCCHANGERULE", object: "main", errno: 22, table: errnoTable });
  });
  assert.throws(() => pf.ensureCalls(device, "refused"), { code: "EINVAL" });
  assert.throws(() => pf.removeCalls(device, "ours"), { code: "EINVAL" });
  assert.equal(device.changes, 2);
});
