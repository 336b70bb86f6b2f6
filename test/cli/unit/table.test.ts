import assert from "node:assert/strict";
import { test } from "node:test";
import { formatJson, formatJsonLine } from "../../../src/cli/io/json.ts";
import { printableLine } from "../../../src/cli/io/printable.ts";
import { cut, renderTable } from "../../../src/cli/io/table.ts";

test("columns are as wide as their widest cell, three spaces apart, and lines end without spaces", async () => {
  const table = await renderTable(
    [{ header: "ID" }, { header: "NAME" }],
    [
      ["6b933304be4a", "a"],
      ["6b", "a_rather_long_name_that_is_never_cut_however_narrow_the_terminal_of_its_reader_may_be"],
      ["", ""],
    ],
  );
  assert.deepEqual(table.split("\n"), [
    " ID             NAME",
    "─".repeat(1 + 12 + 3 + 85 + 1),
    " 6b933304be4a   a",
    " 6b             a_rather_long_name_that_is_never_cut_however_narrow_the_terminal_of_its_reader_may_be",
    "",
    "",
  ]);
});

test("an empty listing is a header and a rule", async () => {
  assert.equal(
    await renderTable([{ header: "ID", minWidth: 5 }, { header: "TAG" }], []),
    ` ID      TAG\n${"─".repeat(13)}\n`,
  );
});

test("wide characters take two cells", async () => {
  const lines = (
    await renderTable(
      [{ header: "A" }, { header: "B" }],
      [
        ["日本", "x"],
        ["abcd", "y"],
      ],
    )
  ).split("\n");
  assert.deepEqual(lines.slice(2, 4), [" 日本   x", " abcd   y"]);
});

test("control characters cannot break a row or drive the terminal", async () => {
  const table = await renderTable([{ header: "COMMAND" }], [["sh -c a\nb\t\x1b[31m\x7f\x9b"]]);
  assert.match(table, /sh -c a\\nb\\t\\u001b\[31m\\u007f\\u009b/);
  assert.doesNotMatch(table.replaceAll("\n", ""), /\p{Cc}/u);
});

/** Right-to-left override and isolate, a mark, C1's CSI, DEL. */
const DRIVING = "a\u202eb\u2067c\u200fd\u061ce\x9b\x7f";
const SPELLED = "a\\u202eb\\u2067c\\u200fd\\u061ce\\u009b\\u007f";

test("marks that turn the direction of writing are spelled out: in tables, in JSON, in messages", async () => {
  assert.match(await renderTable([{ header: "COMMAND" }], [[DRIVING]]), new RegExp(SPELLED.replaceAll("\\", "\\\\")));
  for (const format of [formatJson, formatJsonLine]) {
    const json = format({ [DRIVING]: [DRIVING, "é日"] });
    assert.ok(json.includes(SPELLED) && json.includes("é日"), json);
    assert.doesNotMatch(json.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u);
    assert.deepEqual(JSON.parse(json), { [DRIVING]: [DRIVING, "é日"] });
  }
  assert.equal(printableLine(` one\n  two\x1b[31m\r${DRIVING} `), `one two\\u001b[31m\\u000d${SPELLED}`);
});

test("commands are cut after 40 characters", () => {
  const command = "/bin/sh -c a very long command line that goes on";
  assert.equal(cut(command), "/bin/sh -c a very long command line tha…");
  assert.equal(cut("x".repeat(40)), "x".repeat(40));
  assert.equal(cut("x".repeat(41)), `${"x".repeat(39)}…`);
});

test("on a terminal that is too narrow the columns that may be cut are, the widest first, and never ids and names", async () => {
  const columns = [{ header: "ID" }, { header: "IMAGE", cut: true }, { header: "COMMAND", cut: true }];
  const row = ["6b933304be4a", "FreeBSD:latest", "/bin/sh -c echo 日本日本日本 and on"];
  const table = async (width?: number): Promise<string[]> =>
    (await renderTable(columns, [row], width)).trimEnd().split("\n");
  assert.deepEqual(await table(), await table(200), "wide enough");
  const fitted = await table(44);
  assert.deepEqual(fitted, [
    " ID             IMAGE          COMMAND",
    "─".repeat(44),
    " 6b933304be4a   FreeBSD:lat…   /bin/sh -c …",
  ]);
  assert.match((await table(10)).at(-1) ?? "", /^ 6b933304be4a {3}FreeBSD… {3}\/bin\/sh…$/, "as narrow as it gets");
});
