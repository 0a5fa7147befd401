//! The names of files: each says which subject the file has.

use crate::source;

/// Names that fit any code, so that a file of this name soon contains everything.
const NO_SUBJECT: &[&str] = &[
    "common",
    "helper",
    "helpers",
    "misc",
    "types",
    "util",
    "utilities",
    "utils",
];

fn has_no_subject(path: &str) -> bool {
    path.split('/').any(|part| {
        let name = part.split('.').next().unwrap_or_default();
        NO_SUBJECT.contains(&name)
    })
}

#[test]
fn every_file_names_its_subject() {
    let found: Vec<_> = source::texts()
        .into_iter()
        .map(|text| text.path)
        .filter(|path| has_no_subject(path))
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_name_without_a_subject_is_found() {
    for (path, expected) in [
        ("src/web/utils.rs", true),
        ("tests/common/mod.rs", true),
        ("end2end/helpers.ts", true),
        ("src/model/types.rs", true),
        ("src/shop/cart.rs", false),
        ("src/web/shared_reads.rs", false),
    ] {
        assert_eq!(has_no_subject(path), expected, "{path}");
    }
}
