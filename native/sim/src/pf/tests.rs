use super::entry::{Entry, Table};
use super::name_values::{Named, Value};
use super::rule::{self, Rule};
use super::sparse::Sparse;
use super::{Pf, called};

#[test]
fn calls_are_relative_to_the_anchor_that_they_are_in() {
    assert_eq!(called("", "klee"), ("klee".into(), false));
    assert_eq!(called("klee", "within/*"), ("klee/within".into(), true));
    assert_eq!(called("klee/a", "../b"), ("klee/b".into(), false));
    assert_eq!(called("klee/a", "/b/*"), ("b".into(), true));
}

#[test]
fn an_anchor_comes_with_those_around_it_and_goes_when_it_is_empty() {
    let mut pf = Pf::default();
    pf.make("a/b/c");
    assert_eq!(pf.children("a"), ["b"]);
    pf.remove_if_empty("a/b/c");
    assert_eq!(pf.children(""), Vec::<String>::new());
}

#[test]
fn the_longest_prefix_of_a_table_decides() {
    let entry = |ip: &str, prefix, not| Entry { ip: ip.parse().unwrap(), prefix, not };
    let table = Table {
        entries: vec![entry("10.0.0.0", 8, false), entry("10.1.0.0", 16, true), entry("fd00::", 8, false)],
        ..Table::default()
    };
    assert!(table.holds("10.2.0.1".parse().unwrap()));
    assert!(!table.holds("10.1.0.1".parse().unwrap()));
    assert!(table.holds("fd12::1".parse().unwrap()));
    assert!(!table.holds("11.0.0.1".parse().unwrap()));
}

#[test]
fn bytes_come_back_from_their_runs() {
    let mut bytes = vec![0; 976];
    bytes[3] = 7;
    bytes[500..510].copy_from_slice(&[1, 0, 0, 2, 0, 0, 0, 0, 3, 4]);
    bytes[975] = 9;
    let sparse = Sparse(bytes);
    let text = serde_json::to_string(&sparse).unwrap();
    assert!(text.len() < 80, "{text}");
    assert_eq!(serde_json::from_str::<Sparse>(&text).unwrap(), sparse);
}

#[test]
fn name_value_lists_are_read_as_strictly_as_the_kernel_reads_them() {
    let inner = vec![("addr".to_owned(), Value::Binary(vec![1, 2]))];
    let list: Named = vec![
        ("n".to_owned(), Value::Number(5)),
        ("inner".to_owned(), Value::List(inner)),
        ("t".to_owned(), Value::Text("x".into())),
        ("p".to_owned(), Value::Numbers(vec![1, 2])),
    ]
    .into();
    let packed = list.pack();
    assert_eq!(Named::unpack(&packed).unwrap(), list);
    assert!(Named::unpack(&packed[..packed.len() - 1]).is_err());
    let mut wrong = packed.clone();
    wrong[11] ^= 1;
    assert!(Named::unpack(&wrong).is_err());
}

/// A rule that names a table at both ends, and calls an anchor.
fn naming(table: &str, call: &str) -> Rule {
    let mut body = vec![0; rule::RULE];
    for end in [0, 56] {
        body[end..end + table.len()].copy_from_slice(table.as_bytes());
        body[end + 40] = rule::TABLE;
    }
    Rule { body: Sparse(body), call: call.into(), pool: Vec::new() }
}

#[test]
fn rules_hold_their_tables_and_anchors_until_they_are_freed() {
    let mut pf = Pf::default();
    pf.make("klee");
    pf.admit("klee", &naming("t", "below"));
    pf.unlink("klee", vec![naming("t", "below")]);
    assert_eq!(pf.children("klee"), ["below"]);
    assert!(pf.is_referenced("klee", "t"));
    // The table of a main ruleset that stands behind the anchor's.
    assert!(pf.anchors[""].tables.contains_key("t"));
    assert!(pf.table("klee", "t").is_none(), "nobody made it");
    pf.purge(pf.round + 1);
    assert_eq!(pf.children(""), ["klee"]);
    pf.purge(pf.round + 1);
    assert_eq!(pf.children(""), Vec::<String>::new());
    assert!(pf.anchors[""].tables.is_empty());
}

#[test]
fn a_rule_without_tables_holds_nothing() {
    let mut pf = Pf::default();
    pf.make("klee/ports/a");
    let plain = Rule { body: Sparse(vec![0; rule::RULE]), call: String::new(), pool: Vec::new() };
    pf.unlink("klee/ports/a", vec![plain]);
    pf.remove_if_empty("klee/ports/a");
    assert_eq!(pf.children(""), Vec::<String>::new());
}
