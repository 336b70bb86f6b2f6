/**
 * FreeBSD's packet filter, pf(4): rules and tables of anchors, replaced in transactions; what of the main ruleset must be
 * touched for that, and nothing else of it. All writes use the requests that 12.1 to 15.0 share.
 */
export {
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  ND_NEIGHBOR_ADVERT,
  ND_NEIGHBOR_SOLICIT,
  TH_ACK,
  TH_SYN,
} from "../abi/pf.ts";
export { type PfAddress, type PfNetwork, parseNetwork } from "./address.ts";
export { isRunning, PfDevice, start, stop, withPf } from "./device.ts";
export { filterInterfaces, skippedInterfaces } from "./interfaces.ts";
export type { PfAction, PfEnd, PfPorts, PfRule, PfRuleset, PfTarget } from "./rule.ts";
export {
  childAnchors,
  ensureCalls,
  type LoadedRule,
  missingCalls,
  readRules,
  removeCalls,
  ruleCount,
} from "./ruleset.ts";
export {
  killStates,
  killStatesWhere,
  type PfFlow,
  type PfState,
  type PfStateEnd,
  type PfStateFilter,
  states,
} from "./state.ts";
export {
  addAddresses,
  clearTables,
  createTable,
  deleteAddresses,
  replaceAddresses,
  tableAddresses,
  tableNames,
} from "./table.ts";
export { type PfAnchor, replaceAnchors } from "./transaction.ts";
