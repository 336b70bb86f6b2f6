// Makes a container when told to, as often as told to, checks that it is confined, and removes it.
import { createInterface } from "node:readline";
import { lookupElement } from "../../src/ffi/linux/bpf/index.ts";
import { cgroupId } from "../../src/ffi/linux/cgroup.ts";
import { findAttachment } from "../../src/kleene/host/linux/confinement/attachment.ts";
import { Confinement } from "../../src/kleene/host/linux/confinement/confinement.ts";
import { entry } from "../../src/kleene/host/linux/confinement/entry.ts";

const [, , parent = "", id = "", rounds = "1"] = process.argv;
const confinement = new Confinement({ parent });
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const last = id.slice(-1);

function checkRegistered(): void {
  using found = findAttachment(`${confinement.cgroupRoot}/${parent}`) ?? null;
  const key = Buffer.alloc(8);
  key.writeBigUInt64LE(cgroupId(confinement.pathOf(id)) ?? 0n);
  if (found === null || lookupElement(found.maps.containers, key, entry.size) === undefined)
    throw new Error(`${id} is not known to the programs that are attached`);
}

console.log("ready");
await lines.next();
for (let round = 0; round < Number(rounds); round++) {
  confinement.create(id, { access: "addresses", ipv4: [`10.2.3.${last}`], ipv6: [], rawSockets: false });
  confinement.holdFds();
  checkRegistered();
  if (round === 0) console.log("created");
  if (rounds === "1") await lines.next();
  await confinement.remove(id);
}
confinement.close();
