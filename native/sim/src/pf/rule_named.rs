//! DIOCGETRULENV: a rule in name-value form, every field in the order of netpfil/pf/pf_nv.c. Counters of packets are 0.

use super::Pf;
use super::name_values::{Named, Value};
use super::rule::{DYNIFTL, Rule, TABLE, ruleset_of};
use crate::errno::{Answer, EBUSY, ENOENT};
use crate::memory::Bytes;

type Fields = Vec<(String, Value)>;

/// PF_RULE_MAX_LABEL_COUNT of net/pfvar.h, of which a struct pf_rule has the first.
const LABELS: usize = 5;
/// PFTM_MAX of netpfil/pf/pf.h, of which a struct pf_rule has those before the others.
const TIMEOUTS: usize = 25;
const RULE_TIMEOUTS: usize = 20;
/// PF_SKIP_COUNT
const SKIPS: usize = 8;

pub fn read(pf: &Pf, request: &Named) -> Answer<Named> {
    let path = request.text("anchor")?;
    let number = ruleset_of(request.number("ruleset")? as u8)?;
    let ruleset = &pf.anchors.get(path).ok_or(ENOENT)?.rulesets[number];
    if request.number("ticket")? != u64::from(ruleset.active_ticket) {
        return Err(EBUSY);
    }
    let index = request.number("nr")?;
    let rule = ruleset.active.get(index as usize).ok_or(EBUSY)?;
    let skip = skips(&ruleset.active, index as usize);
    Ok(vec![
        ("nr".to_owned(), Value::Number(index)),
        ("rule".to_owned(), Value::List(fields(rule, index, skip))),
        ("anchor_call".to_owned(), Value::Text(rule.call.clone())),
    ]
    .into())
}

struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn byte(&self, name: &str, at: usize) -> (String, Value) {
        (name.to_owned(), Value::Number(self.0[at].into()))
    }
    fn short(&self, name: &str, at: usize) -> (String, Value) {
        (name.to_owned(), Value::Number(self.0.get_u16(at).into()))
    }
    fn word(&self, name: &str, at: usize) -> (String, Value) {
        (name.to_owned(), Value::Number(self.0.get_u32(at).into()))
    }
    /// A signed one, as 64 bits.
    fn signed(&self, name: &str, at: usize) -> (String, Value) {
        (name.to_owned(), Value::Number(i64::from(self.0.get_i32(at)) as u64))
    }
    fn text(&self, name: &str, at: usize, size: usize) -> (String, Value) {
        (name.to_owned(), Value::Text(self.0.get_name(at, size).unwrap_or_default()))
    }
    fn words(&self, name: &str, at: usize, count: usize) -> (String, Value) {
        let value = |index: usize| u64::from(self.0.get_u32(at + 4 * index));
        (name.to_owned(), Value::Numbers((0..count).map(value).collect()))
    }
    fn address(&self, name: &str, at: usize) -> (String, Value) {
        let address = vec![("addr".to_owned(), Value::Binary(self.0[at..at + 16].to_vec()))];
        (name.to_owned(), Value::List(address))
    }

    /// struct pf_rule_addr
    fn end(&self, name: &str, at: usize) -> (String, Value) {
        let mut wrap = vec![self.byte("type", at + 40), self.byte("iflags", at + 41)];
        match self.0[at + 40] {
            DYNIFTL => wrap.push(self.text("ifname", at, 16)),
            TABLE => wrap.push(self.text("tblname", at, 32)),
            _ => {}
        }
        wrap.extend([self.address("addr", at), self.address("mask", at + 16)]);
        let ports = [48, 50].map(|offset| u64::from(self.0.get_u16(at + offset)));
        list(
            name,
            vec![
                ("addr".to_owned(), Value::List(wrap)),
                ("port".to_owned(), Value::Numbers(ports.to_vec())),
                self.byte("neg", at + 52),
                self.byte("port_op", at + 53),
            ],
        )
    }

    /// struct pf_pool
    fn pool(&self) -> (String, Value) {
        let ports = [620, 622].map(|at| u64::from(self.0.get_u16(at)));
        list(
            "rpool",
            vec![
                ("key".to_owned(), Value::Binary(self.0[584..600].to_vec())),
                self.address("counter", 600),
                self.signed("tblidx", 616),
                ("proxy_port".to_owned(), Value::Numbers(ports.to_vec())),
                self.byte("opts", 624),
                list("mape", vec![none("offset"), none("psidlen"), none("psid")]),
            ],
        )
    }

    /// struct pf_rule_uid, pf_rule_gid: the kernel names the numbers of both `uid`.
    fn owner(&self, name: &str, at: usize) -> (String, Value) {
        list(name, vec![self.words("uid", at, 2), self.byte("op", at + 8)])
    }
}

fn none(name: &str) -> (String, Value) {
    (name.to_owned(), Value::Number(0))
}

fn list(name: &str, fields: Fields) -> (String, Value) {
    (name.to_owned(), Value::List(fields))
}

fn fields(rule: &Rule, number: u64, skip: Vec<u64>) -> Fields {
    let body = Body(&rule.body.0);
    let mut labels = vec![String::new(); LABELS];
    labels[0] = rule.label();
    let mut timeouts: Vec<u64> = (0..RULE_TIMEOUTS).map(|index| body.0.get_u32(704 + 4 * index).into()).collect();
    timeouts.resize(TIMEOUTS, 0);
    let mut fields = vec![
        ("nr".to_owned(), Value::Number(number)),
        body.end("src", 0),
        body.end("dst", 56),
        ("skip".to_owned(), Value::Numbers(skip)),
        ("labels".to_owned(), Value::Texts(labels)),
        ("label".to_owned(), Value::Text(rule.label())),
        none("ridentifier"),
        body.text("ifname", 240, 16),
        body.text("qname", 256, 64),
        body.text("pqname", 320, 64),
        none("dnpipe"),
        none("dnrpipe"),
        none("dnflags"),
        body.text("tagname", 384, 64),
        body.text("match_tagname", 448, 64),
        body.text("overload_tblname", 512, 32),
        body.pool(),
        none("evaluations"),
        ("packets".to_owned(), Value::Numbers(vec![0; 2])),
        ("bytes".to_owned(), Value::Numbers(vec![0; 2])),
        none("timestamp"),
        body.word("os_fingerprint", 696),
        body.signed("rtableid", 700),
        ("timeout".to_owned(), Value::Numbers(timeouts)),
    ];
    let words = [
        ("max_states", 784),
        ("max_src_nodes", 788),
        ("max_src_states", 792),
        ("max_src_conn", 796),
        ("max_src_conn_rate.limit", 800),
        ("max_src_conn_rate.seconds", 804),
        ("qid", 808),
        ("pqid", 812),
        ("prob", 824),
        ("cuid", 828),
        ("cpid", 832),
    ];
    fields.extend(words.map(|(name, at)| body.word(name, at)));
    fields.extend(["states_cur", "states_tot", "src_nodes"].map(none));
    let shorts = [("return_icmp", 864), ("return_icmp6", 866), ("max_mss", 868), ("scrub_flags", 874)];
    fields.extend(shorts.map(|(name, at)| body.short(name, at)));
    fields.extend([body.owner("uid", 876), body.owner("gid", 888), body.word("rule_flag", 900)]);
    let bytes = [
        ("action", 904),
        ("direction", 905),
        ("log", 906),
        ("logif", 907),
        ("quick", 908),
        ("ifnot", 909),
        ("match_tag_not", 910),
        ("natpass", 911),
        ("keep_state", 912),
        ("af", 913),
        ("proto", 914),
        ("type", 915),
        ("code", 916),
        ("flags", 917),
        ("flagset", 918),
        ("min_ttl", 919),
        ("allow_opts", 920),
        ("rt", 921),
        ("return_ttl", 922),
        ("tos", 923),
        ("set_tos", 924),
        ("anchor_relative", 925),
        ("anchor_wildcard", 926),
        ("flush", 927),
        ("prio", 928),
    ];
    fields.extend(bytes.map(|(name, at)| body.byte(name, at)));
    // The kernel begins one byte early: at `prio`.
    let priorities = [928, 929].map(|at| u64::from(body.0[at]));
    fields.push(("set_prio".to_owned(), Value::Numbers(priorities.to_vec())));
    fields.push(list("divert", vec![body.address("addr", 932), body.short("port", 948)]));
    fields
}

/// For each of PF_SKIP_*, in the order of release 15, the next rule that differs in it; -1 for none.
fn skips(rules: &[Rule], index: usize) -> Vec<u64> {
    let part = |rule: &Rule, which: usize| -> Vec<u8> {
        let body = &rule.body.0;
        match which {
            0 => [&body[240..256], &body[909..910]].concat(),
            1 => body[905..906].to_vec(),
            2 => body[913..914].to_vec(),
            3 => body[914..915].to_vec(),
            4 => [&body[0..48], &body[52..53]].concat(),
            5 => [&body[56..104], &body[108..109]].concat(),
            6 => [&body[48..52], &body[53..54]].concat(),
            _ => [&body[104..108], &body[109..110]].concat(),
        }
    };
    let next = |which: usize| {
        let own = part(&rules[index], which);
        (index + 1..rules.len()).find(|other| part(&rules[*other], which) != own)
    };
    (0..SKIPS).map(|which| next(which).map_or(u64::from(u32::MAX), |other| other as u64)).collect()
}
