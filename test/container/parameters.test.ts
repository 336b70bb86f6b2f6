import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_PARAMETERS, replaceParameters } from "../../src/kleene/container/parameters.ts";

test("a parameter takes the place of those of its name, and of its no form", () => {
  assert.deepEqual(replaceParameters(["a.b", "c=1"], []), ["a.b", "c=1"]);
  assert.deepEqual(replaceParameters(["a.b", "c=1", "d"], ["c=2"]), ["a.b", "d", "c=2"]);
  assert.deepEqual(replaceParameters(["a.b", "d"], ["a.nob"]), ["d", "a.nob"]);
  assert.deepEqual(replaceParameters(["a.nob", "d"], ["a.b=true"]), ["d", "a.b=true"]);
  assert.deepEqual(replaceParameters(["persist"], ["nopersist"]), ["nopersist"]);
  assert.deepEqual(replaceParameters(["nopersist"], ["persist"]), ["persist"]);
  assert.deepEqual(replaceParameters(DEFAULT_PARAMETERS, ["exec.stop=", "mount.nodevfs"]), [
    "exec.stop=",
    "mount.nodevfs",
  ]);
  assert.deepEqual(replaceParameters(DEFAULT_PARAMETERS, ["exec.nostop"]), ["mount.devfs", "exec.nostop"]);
});
