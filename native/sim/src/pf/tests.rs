use super::name_values::{Named, Value};
use super::rule::Sparse;
use super::table::{Entry, Table};
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
    pf.tidy();
    assert_eq!(pf.children(""), Vec::<String>::new());
}

#[test]
fn the_longest_prefix_of_a_table_decides() {
    let entry = |ip: &str, prefix, not| Entry { ip: ip.parse().unwrap(), prefix, not };
    let table =
        Table { entries: vec![entry("10.0.0.0", 8, false), entry("10.1.0.0", 16, true), entry("fd00::", 8, false)] };
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
