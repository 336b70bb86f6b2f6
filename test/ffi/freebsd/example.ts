import { ifaddr, ifclone, isErrno, jail } from "../../../src/ffi/freebsd/index.ts";

const created = ifclone.createInterface("lo");
ifclone.renameInterface(created, "web0");
ifaddr.addAlias({ interface: "web0", address: "10.2.3.1" });
try {
  const jid = jail.jailSet({ path: "/jails/web", name: "web", persist: true, "ip4.addr": ["10.2.3.1"] }, "create");
  const { values } = jail.jailGet({ jid }, { name: "string", "ip4.addr": "ip4", persist: "bool" });
  console.log(`${values.name} has ${values["ip4.addr"].join(", ")}`);
  jail.jailRemove(jid);
} catch (error) {
  if (isErrno(error, "EEXIST")) console.error(error.kernelText);
  else throw error;
} finally {
  ifclone.destroyInterface("web0");
}
