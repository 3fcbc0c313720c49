//! `docs/protocol.md` is the authority for clients: what the code holds them to and can answer them, it says.
//!
//! Its bytes are compared by the golden tests of `sync-core`; here are its words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use langso_server::http::Code;
use sync_core::document::schema::{Field, Kind, Rule, Schema, TIME};
use sync_core::ids::Class;
use sync_core::seal::sealed_max_bytes;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

fn protocol() -> String {
    read("docs/protocol.md")
}

fn undocumented(codes: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let document = protocol();
    let said = |code: &String| document.contains(&format!("`{code}`"));
    codes.into_iter().filter(|code| !said(code)).collect()
}

#[test]
fn every_error_of_the_api_is_explained() {
    let codes = Code::ALL.iter().map(|code| code.word().to_owned());
    assert_eq!(
        undocumented(codes),
        BTreeSet::new(),
        "docs/protocol.md, Errors of requests"
    );
}

/// The words in `Rejected("…")`, `Quarantined("…")` and `=> "…"` of the files that judge batches.
fn codes_of(path: &Path) -> BTreeSet<String> {
    let source = std::fs::read_to_string(path).unwrap();
    let marks = [
        "Rejected(\"",
        "Quarantined(\"",
        "(_) => \"",
        "PreflightError::Kind => \"",
        "Checksum => \"",
    ];
    let after = |mark: &&str| {
        source
            .match_indices(*mark)
            .map(|(at, mark)| at + mark.len())
            .collect::<Vec<_>>()
    };
    marks
        .iter()
        .flat_map(after)
        .filter_map(|at| source[at..].split_once('"'))
        .map(|(code, _)| code.to_owned())
        .collect()
}

#[test]
fn every_refusal_of_a_batch_is_explained() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = [
        "sync-core/src/admission.rs",
        "sync-core/src/admission/profile.rs",
        "sync-core/src/admission/sequence.rs",
        "sync-core/src/admission/shadow.rs",
        "sync-core/src/preflight.rs",
        "server/src/ingest/judge.rs",
    ];
    let mut codes: BTreeSet<String> = files.iter().flat_map(|file| codes_of(&root.join(file))).collect();
    assert!(codes.len() > 30, "the sources are read");
    use sync_core::document::schema::Misfit;
    codes.extend(
        [
            Misfit::Kind,
            Misfit::Bounds,
            Misfit::Text,
            Misfit::Unknown,
            Misfit::Incomplete,
            Misfit::Secret,
        ]
        .map(|misfit| misfit.code().to_owned()),
    );
    assert_eq!(
        undocumented(codes),
        BTreeSet::new(),
        "docs/protocol.md, Errors of batches"
    );
}

fn row(field: &Field) -> String {
    let kind = match field.kind {
        Kind::Code => "code".to_owned(),
        Kind::Text(max) => format!("text {max}"),
        Kind::Public(max) => format!("public {max}"),
        time if time == TIME => "time".to_owned(),
        Kind::Int(i64::MIN, i64::MAX) => "any int".to_owned(),
        Kind::Int(min, max) => format!("int {min}…{max}"),
        Kind::Id => "id".to_owned(),
        Kind::Digest => "digest".to_owned(),
        Kind::Targets => "targets".to_owned(),
        Kind::Signature => "signature".to_owned(),
        Kind::OneOf(words) => format!("one of `{}`", words.join("`, `")),
        Kind::Sealed(field) => format!("sealed {}", sealed_max_bytes(field)),
    };
    let rule = match field.rule {
        Rule::Author => "author",
        Rule::Device => "device",
        Rule::Fixed => "fixed",
        Rule::Initial => "initial",
        Rule::Required => "required",
        Rule::Optional => "optional",
        Rule::Later => "later",
    };
    format!("| `{}` | {kind} | {rule} |", field.key)
}

#[test]
fn the_tables_of_fields_are_those_of_the_schema() {
    let document = protocol();
    for class in Class::ALL {
        let title = format!("### `{}`: ", class.name());
        let (_, section) = document.split_once(&title).expect("a section for each class");
        let table: Vec<&str> = section
            .lines()
            .skip(1)
            .take_while(|line| !line.starts_with('#'))
            .filter(|line| line.starts_with("| `"))
            .collect();
        let fields = Schema::of(class).fields;
        assert_eq!(
            table.len(),
            fields.len(),
            "{}: as many rows as fields",
            class.name()
        );
        for (line, field) in table.iter().zip(fields) {
            assert!(
                line.starts_with(&row(field)),
                "{}: {line} should be {}",
                class.name(),
                row(field)
            );
        }
    }
}
