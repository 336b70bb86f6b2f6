//! What the loaded rules make of a packet: states first, then translation by the first rule that fits, then the last
//! filter rule that does, unless one is quick. pf_test_rule, pf_match_translation.

use super::rule::{Rule, Wrapped, octets, wrapped};
use super::state::{Key, State};
use super::{FILTER, Host, NAT, Pf, RDR, called};
use crate::family::{AF_INET, AF_INET6};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TCP: u8 = 6;
const UDP: u8 = 17;
const PASS: u8 = 0;
const BLOCK: u8 = 1;
const NAT_ACTION: u8 = 4;
const RDR_ACTION: u8 = 8;
const IN: u8 = 1;
const OUT: u8 = 2;
const PFRULE_RETURNICMP: u32 = 0x4;
const PFRULE_RETURN: u32 = 0x8;
const TH_SYN: u8 = 0x2;

/// A packet at one passage of the filter.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Packet {
    pub interface: String,
    pub direction: Direction,
    pub protocol: u8,
    pub source: IpAddr,
    #[serde(default)]
    pub source_port: u16,
    pub destination: IpAddr,
    #[serde(default)]
    pub port: u16,
    /// TCP flags; of a connection's first packet unless told.
    #[serde(default = "first")]
    pub flags: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tag: String,
}

fn first() -> u8 {
    TH_SYN
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    In,
    Out,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    passed: bool,
    /// It belongs to a connection that pf remembers, before or from now on.
    stateful: bool,
    /// How it is refused: `drop`, `return`, `prohibited`.
    answer: Option<&'static str>,
    /// Label of the rule that decided.
    label: String,
    packet: Packet,
}

/// JSON to JSON, for tests. What is no packet is told as `{"error":...}`.
pub fn packet(pf: &mut Pf, host: &Host, json: &str) -> String {
    let verdict = serde_json::from_str(json).and_then(|packet| serde_json::to_string(&judge(pf, host, packet)));
    verdict.unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())
}

fn judge(pf: &mut Pf, host: &Host, mut packet: Packet) -> Verdict {
    let pass = |packet, stateful, label| Verdict { passed: true, stateful, answer: None, label, packet };
    if !pf.running || pf.skips(host, &packet.interface) {
        return pass(packet, false, String::new());
    }
    let inward = packet.direction == Direction::In;
    let before = key_of(&packet);
    let known = pf.states.iter_mut().find_map(|state| Some((state.passes(packet.protocol, inward, &before)?, state)));
    if let Some((after, state)) = known {
        state.answered |= state.is_answer(inward);
        set_key(&mut packet, &after);
        return pass(packet, true, String::new());
    }
    let scope = Scope { pf, host };
    let translation = scope.translate(&mut packet, if inward { RDR } else { NAT });
    let after = key_of(&packet);
    let translated = after != before;
    let decided =
        if translation.is_some_and(|passes| passes) { None } else { scope.filter(&mut packet, "").0.cloned() };
    let label = decided.as_ref().map(Rule::label).unwrap_or_default();
    if let Some(rule) = decided.as_ref().filter(|rule| rule.action() == BLOCK) {
        let answer = match rule.rule_flag() {
            flag if flag & PFRULE_RETURN != 0 => "return",
            flag if flag & PFRULE_RETURNICMP != 0 => "prohibited",
            _ => "drop",
        };
        return Verdict { passed: false, stateful: false, answer: Some(answer), label, packet };
    }
    let keeps = translated || decided.as_ref().is_some_and(Rule::keep_state);
    if keeps {
        pf.last_state += 1;
        let (wire, stack) = if inward { (before, after) } else { (after, before) };
        let protocol = packet.protocol;
        pf.states.push(State { id: pf.last_state, protocol, inward, answered: false, wire, stack });
    }
    pass(packet, keeps, label)
}

fn key_of(packet: &Packet) -> Key {
    Key { from: (packet.source, packet.source_port), to: (packet.destination, packet.port) }
}

fn set_key(packet: &mut Packet, key: &Key) {
    (packet.source, packet.source_port) = key.from;
    (packet.destination, packet.port) = key.to;
}

impl Pf {
    pub(super) fn skips(&self, host: &Host, name: &str) -> bool {
        if self.filtered.contains(name) {
            return false;
        }
        let groups = host.interfaces.iter().find(|one| one.name == name).map_or(&[][..], |one| &one.groups);
        self.skipped.contains(name) || groups.iter().any(|group| self.skipped.contains(group))
    }
}

struct Scope<'a> {
    pf: &'a Pf,
    host: &'a Host,
}

impl<'a> Scope<'a> {
    fn rules(&self, path: &str, ruleset: usize) -> &'a [Rule] {
        self.pf.anchors.get(path).map_or(&[], |anchor| &anchor.rulesets[ruleset].active)
    }

    /// Paths of the anchors that a rule calls, by name.
    fn called(&self, path: &str, rule: &Rule) -> Vec<String> {
        let (base, all) = called(path, &rule.call);
        if !all {
            return vec![base];
        }
        self.pf.children(&base).into_iter().map(|name| format!("{base}/{name}")).collect()
    }

    /// Applies the translation, if there is one. Some(true): the packet passes without a look at the filter.
    fn translate(&self, packet: &mut Packet, ruleset: usize) -> Option<bool> {
        let (path, rule) = self.translation(packet, "", ruleset)?;
        if rule.tag() != "" {
            packet.tag = rule.tag();
        }
        let target = rule.pool.first().and_then(|address| self.target(&address.0, packet, &path));
        match rule.action() {
            NAT_ACTION => {
                packet.source = target?;
                let (first, last) = rule.proxy_ports();
                if first != 0 {
                    // As the kernel would, a free one: here the number of states tells which.
                    packet.source_port = first + (self.pf.states.len() as u16) % (last.max(first) - first + 1);
                }
            }
            RDR_ACTION => {
                packet.destination = target?;
                let (first, last) = rule.proxy_ports();
                if last != 0 {
                    let offset = packet.port - rule.destination().first_port();
                    packet.port = first + offset % (last - first + 1);
                } else if first != 0 {
                    packet.port = first;
                }
            }
            _ => return None,
        }
        Some(rule.nat_pass())
    }

    /// The first rule that fits, with the anchor that it is in.
    fn translation(&self, packet: &Packet, path: &str, ruleset: usize) -> Option<(String, &'a Rule)> {
        for rule in self.rules(path, ruleset) {
            if !self.fits(rule, packet, path) {
                continue;
            }
            if rule.call.is_empty() {
                return Some((path.to_owned(), rule));
            }
            let found = self.called(path, rule).iter().find_map(|child| self.translation(packet, child, ruleset));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn target(&self, address: &[u8], packet: &Packet, path: &str) -> Option<IpAddr> {
        let ipv4 = packet.destination.is_ipv4();
        match wrapped(&address[..48]).ok()? {
            Wrapped::Network { address, .. } if ipv4 => {
                Some(Ipv4Addr::new(address[0], address[1], address[2], address[3]).into())
            }
            Wrapped::Network { address, .. } => Some(Ipv6Addr::from(address).into()),
            Wrapped::Interface(name) => {
                let one = self.host.interfaces.iter().find(|one| one.name == name)?;
                one.addresses.iter().find(|ip| ip.is_ipv4() == ipv4 && !is_link_local(**ip)).copied()
            }
            Wrapped::Table(name) => {
                let entries = &self.pf.table(path, &name)?.entries;
                entries.iter().map(|entry| entry.ip).find(|ip| ip.is_ipv4() == ipv4)
            }
        }
    }

    /// The rule that decides, and whether nothing after it counts.
    fn filter(&self, packet: &mut Packet, path: &str) -> (Option<&'a Rule>, bool) {
        let mut last = None;
        for rule in self.rules(path, FILTER) {
            if !self.fits(rule, packet, path) {
                continue;
            }
            if rule.tag() != "" {
                packet.tag = rule.tag();
            }
            if rule.call.is_empty() {
                if rule.action() != PASS && rule.action() != BLOCK {
                    continue;
                }
                last = Some(rule);
                if rule.quick() {
                    return (last, true);
                }
                continue;
            }
            for child in self.called(path, rule) {
                let (inner, quick) = self.filter(packet, &child);
                last = inner.or(last);
                if quick {
                    return (last, true);
                }
            }
        }
        (last, false)
    }

    fn fits(&self, rule: &Rule, packet: &Packet, path: &str) -> bool {
        let name = rule.interface();
        let is_on = |one: &super::Interface| one.name == packet.interface && one.groups.contains(&name);
        let on = name.is_empty() || name == packet.interface || self.host.interfaces.iter().any(is_on);
        let family = if packet.destination.is_ipv4() { AF_INET } else { AF_INET6 };
        let has_ports = packet.protocol == TCP || packet.protocol == UDP;
        let (set, of) = rule.flags();
        let direction = match packet.direction {
            Direction::In => IN,
            Direction::Out => OUT,
        };
        (on != rule.not_interface() || name.is_empty())
            && (rule.direction() == 0 || rule.direction() == direction)
            && (rule.family() == 0 || rule.family() == family)
            && (rule.protocol() == 0 || rule.protocol() == packet.protocol)
            && (rule.icmp_type() == 0 || packet.icmp_type.is_some_and(|kind| kind + 1 == rule.icmp_type()))
            && (packet.protocol != TCP || packet.flags & of == set)
            && (rule.tagged().is_empty() || rule.tagged() == packet.tag)
            && (self.within(&rule.source().wrapped(), packet.source, path) != rule.source().not())
            && (self.within(&rule.destination().wrapped(), packet.destination, path) != rule.destination().not())
            && (!rule.source().has_ports() || (has_ports && rule.source().fits_port(packet.source_port)))
            && (!rule.destination().has_ports() || (has_ports && rule.destination().fits_port(packet.port)))
    }

    fn within(&self, wrap: &Wrapped, ip: IpAddr, path: &str) -> bool {
        match wrap {
            Wrapped::Network { address, mask } => {
                octets(ip).iter().zip(address).zip(mask).all(|((own, address), mask)| own & mask == address & mask)
            }
            Wrapped::Interface(name) => {
                let meant = |one: &&super::Interface| name == "self" || one.name == *name || one.groups.contains(name);
                self.host.interfaces.iter().filter(meant).any(|one| one.addresses.contains(&ip))
            }
            Wrapped::Table(name) => self.pf.table(path, name).is_some_and(|table| table.holds(ip)),
        }
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
