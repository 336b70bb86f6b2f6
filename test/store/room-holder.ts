/** Another klee that has the store open and has written to it: node room-holder.ts ROOT. */
import { selectHost } from "../../src/kleene/host/select.ts";
import { Store } from "../../src/kleene/store/store.ts";

const [root = ""] = process.argv.slice(2);
const store = await Store.open(root, { room: await selectHost(root) });
await store.run("INSERT INTO meta (key, value) VALUES ('test9', 'held')");
console.log("open");
setInterval(() => undefined, 60_000);
