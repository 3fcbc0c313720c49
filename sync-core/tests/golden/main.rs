//! Golden bytes: what version 1 of the protocol is, byte by byte, for ever.
//!
//! `v1/` holds one file a message, statement and chunk, as hex, for clients in any language. Each is compared with what
//! this crate makes of the same fixed values, and read back. A difference is a broken protocol until somebody decides
//! otherwise, so the files are written only on request, and never by a run that passes:
//!
//! ```text
//! LANGSO_GOLDEN=write cargo test -p sync-core --test golden
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has said what it has to say"
)]

mod documents;
mod messages;
mod reading;
mod statements;

use std::collections::BTreeSet;
use std::path::PathBuf;

use data_encoding::HEXLOWER;

/// Files that were made once: compressors change with their libraries, what they made has to stay readable.
const MADE_ONCE: [&str; 2] = ["request-push.zst.hex", "snapshot.hex"];
/// Bytes of one line of a file.
const LINE: usize = 32;

/// One file.
pub(crate) struct Golden {
    pub(crate) name: String,
    /// What it is, for readers.
    pub(crate) about: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn golden(name: &str, about: &str, bytes: impl Into<Vec<u8>>) -> Golden {
    Golden {
        name: name.to_owned(),
        about: about.to_owned(),
        bytes: bytes.into(),
    }
}

impl Golden {
    fn text(&self) -> String {
        let hex = self
            .bytes
            .chunks(LINE)
            .map(|line| HEXLOWER.encode(line) + "\n")
            .collect::<String>();
        format!("# {}\n{hex}", self.about)
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

/// The bytes of a file: hex, without what follows a `#` and without blanks.
pub(crate) fn stored(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.hex"))).unwrap();
    parse(&text)
}

fn parse(text: &str) -> Vec<u8> {
    let hex: String = text
        .lines()
        .flat_map(|line| line.split('#').next())
        .flat_map(str::split_whitespace)
        .collect();
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

fn all() -> Vec<Golden> {
    let mut all = statements::all();
    all.extend(documents::all());
    all.extend(messages::all());
    all
}

#[test]
fn version_1_has_these_bytes_for_ever() {
    if std::env::var("LANGSO_GOLDEN").is_ok_and(|wish| wish == "write") {
        for golden in all() {
            std::fs::write(folder().join(format!("{}.hex", golden.name)), golden.text()).unwrap();
        }
        panic!(
            "the golden bytes were written: look at every difference, then run again without LANGSO_GOLDEN"
        );
    }
    let differing: Vec<String> = all()
        .into_iter()
        .filter(|golden| stored(&golden.name) != golden.bytes)
        .map(|golden| golden.name)
        .collect();
    assert_eq!(
        differing, [""; 0],
        "these bytes have changed: old clients would not understand"
    );
}

#[test]
fn every_golden_file_belongs_to_a_test() {
    let names: BTreeSet<String> = all().into_iter().map(|golden| golden.name + ".hex").collect();
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| !MADE_ONCE.contains(&name.as_str()))
        .collect();
    assert_eq!(files, names);
}

/// `docs/protocol.md` quotes golden bytes with notes after `#`, in blocks that begin with "```golden NAME".
#[test]
fn the_document_quotes_the_golden_bytes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut quoted = 0;
    for block in text.split("```golden ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let (hex, _) = rest.split_once("```").unwrap();
        assert_eq!(
            HEXLOWER.encode(&parse(hex)),
            HEXLOWER.encode(&stored(name)),
            "{name} as the document quotes it"
        );
        quoted += 1;
    }
    assert!(quoted > 5, "the worked example is gone");
}
