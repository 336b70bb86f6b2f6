//! Anchors: the tree of them, and when one goes. pf_remove_if_empty_kruleset of netpfil/pf/pf_ruleset.c.
//!
//! A rule that is taken out of its ruleset is not gone: pf's purge thread frees it when it has come by twice, once every
//! ten seconds (PFTM_INTERVAL). Until then it holds the tables it names and the anchor it calls, and a table holds the
//! anchor it is in. So an anchor whose rules name tables stays in the tree for 10 to 20 seconds after all was taken out of
//! it, and one without tables goes at once.

use super::entry::Table;
use super::rule::Rule;
use super::{Pf, RULESETS, called};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seconds between two rounds of the purge thread.
const INTERVAL: u64 = 10;
/// A rule is marked as used when it is taken out: one round takes the mark off, the next one frees the rule.
const ROUNDS: u64 = 2;

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Anchor {
    pub rulesets: [Ruleset; RULESETS],
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Table>,
    pub table_ticket: u32,
    pub tables_open: bool,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ruleset {
    pub active: Vec<Rule>,
    pub active_ticket: u32,
    pub inactive: Vec<Rule>,
    pub inactive_ticket: u32,
    pub open: bool,
}

/// What a rule that was taken out still holds.
#[derive(Clone, Serialize, Deserialize)]
pub struct Unlinked {
    /// The anchor that it was in.
    path: String,
    tables: Vec<String>,
    /// The anchor that it calls.
    call: Option<String>,
    /// Number of the purge thread's round before it.
    round: u64,
}

impl Ruleset {
    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.active.iter().chain(&self.inactive)
    }
}

impl Anchor {
    fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rulesets.iter().flat_map(Ruleset::rules)
    }

    fn is_empty(&self) -> bool {
        let open = self.tables_open || self.rulesets.iter().any(|one| one.open);
        !open && self.tables.is_empty() && self.rules().next().is_none()
    }
}

/// The round of the purge thread at a time in seconds.
pub fn round_at(seconds: u64) -> u64 {
    seconds / INTERVAL
}

impl Pf {
    /// Makes an anchor and those that it lies within.
    pub fn make(&mut self, path: &str) {
        let mut end = 0;
        while let Some(slash) = path[end..].find('/') {
            self.anchors.entry(path[..end + slash].to_owned()).or_default();
            end += slash + 1;
        }
        self.anchors.entry(path.to_owned()).or_default();
    }

    /// Names of the anchors right within one.
    pub fn children(&self, path: &str) -> Vec<String> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let direct =
            |one: &&String| one.starts_with(&prefix) && one.len() > prefix.len() && !one[prefix.len()..].contains('/');
        self.anchors.keys().filter(direct).map(|one| one[prefix.len()..].to_owned()).collect()
    }

    /// A rule comes into an anchor: the anchor that it calls comes into being, and so do the tables that it names.
    pub fn admit(&mut self, path: &str, rule: &Rule) {
        if !rule.call.is_empty() {
            self.make(&called(path, &rule.call).0);
        }
        for name in rule.tables() {
            self.make_table(path, &name);
        }
    }

    /// Rules have been taken out of an anchor's ruleset.
    pub fn unlink(&mut self, path: &str, rules: Vec<Rule>) {
        for rule in rules {
            let call = (!rule.call.is_empty()).then(|| called(path, &rule.call).0);
            self.unlinked.push(Unlinked { path: path.to_owned(), tables: rule.tables(), call, round: self.round });
        }
    }

    /// The purge thread has come to this round: rules that were taken out two rounds ago are freed.
    pub fn purge(&mut self, round: u64) {
        self.round = self.round.max(round);
        let due = |one: &mut Unlinked| one.round + ROUNDS <= round;
        let freed: Vec<Unlinked> = self.unlinked.extract_if(.., due).collect();
        for one in freed {
            for name in &one.tables {
                self.settle_table(&one.path, name);
            }
            if let Some(call) = &one.call {
                self.remove_if_empty(call);
            }
        }
    }

    /// Lets the purge thread come by until all is freed that was taken out before.
    pub fn pass_time(&mut self) {
        self.purge(self.round + ROUNDS);
    }

    /// Does any rule, in force or not, or freed not yet, name this table of its anchor?
    pub fn is_referenced(&self, path: &str, name: &str) -> bool {
        let unlinked = self.unlinked.iter().any(|one| one.path == path && one.tables.iter().any(|own| own == name));
        unlinked || self.anchors.get(path).is_some_and(|anchor| anchor.rules().any(|rule| rule.names(name)))
    }

    fn is_called(&self, path: &str) -> bool {
        let calls = |from: &str, rule: &Rule| !rule.call.is_empty() && called(from, &rule.call).0 == path;
        self.unlinked.iter().any(|one| one.call.as_deref() == Some(path))
            || self.anchors.iter().any(|(from, anchor)| anchor.rules().any(|rule| calls(from, rule)))
    }

    /// Takes an anchor away with nothing in it that no rule calls, and then the one around it.
    pub fn remove_if_empty(&mut self, path: &str) {
        let empty = self.anchors.get(path).is_some_and(Anchor::is_empty);
        if path.is_empty() || !empty || !self.children(path).is_empty() || self.is_called(path) {
            return;
        }
        self.anchors.remove(path);
        if let Some((around, _)) = path.rsplit_once('/') {
            self.remove_if_empty(around);
        }
    }
}
