// Rules of one's own in pf, beside the administrator's. Run as root on FreeBSD, with pf enabled.
import { pf, route } from "klee/ffi/freebsd";

const outside = route.defaultInterface("inet");
if (outside === undefined) throw new Error("no default route");

pf.withPf((device) => {
  // All or nothing, and at once: no packet sees half of it.
  pf.replaceAnchors(device, [
    {
      anchor: "example",
      tables: { inside: ["10.2.3.0/24"] },
      rules: {
        nat: [
          {
            action: "nat",
            interface: outside,
            family: 4,
            source: { address: { table: "inside" } },
            target: { address: { interface: outside }, ports: { first: 50001, last: 65535 } },
          },
        ],
        filter: [{ action: "block", direction: "in", quick: true, destination: { address: { table: "inside" } } }],
      },
    },
  ]);
  // One rule in front of each ruleset of the main one, where /etc/pf.conf does not call the anchor itself.
  const added = pf.ensureCalls(device, "example");
  console.log(added.length === 0 ? "pf.conf calls the anchor" : `calls added: ${added.join(", ")}`);
  // One more address is one element, not one more rule.
  pf.addAddresses(device, "example", "inside", ["192.0.2.7"]);
});
