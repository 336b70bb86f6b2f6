import assert from "node:assert/strict";
import { test } from "node:test";
import { age } from "../../../src/cli/io/age.ts";

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

const wordings: readonly (readonly [seconds: number, text: string])[] = [
  [-30, "Less than a second ago"],
  [0.9, "Less than a second ago"],
  [1, "1 second ago"],
  [59, "59 seconds ago"],
  [minute, "About a minute ago"],
  [2 * minute - 1, "About a minute ago"],
  [10 * minute, "10 minutes ago"],
  [hour - 1, "59 minutes ago"],
  [hour, "About an hour ago"],
  [1.4 * hour, "About an hour ago"],
  [2 * hour, "2 hours ago"],
  [47 * hour, "47 hours ago"],
  [2 * day, "2 days ago"],
  [13 * day, "13 days ago"],
  [14 * day, "2 weeks ago"],
  [56 * day, "8 weeks ago"],
  [365 * day, "12 months ago"],
  [729 * day, "24 months ago"],
  [730 * day, "2 years ago"],
];

for (const [seconds, text] of wordings) {
  test(`${seconds} s is '${text}'`, () => {
    assert.equal(age(seconds * 1000), text);
  });
}
