//! `cargo xtask api`: the bindings' API as it is written down in `mobile-ffi/api.txt`, so that a change to it shows in review.
//!
//! It is read off the generated Swift, which spells out every type, default and error; names and types are the same in
//! Kotlin. `cargo xtask api write` writes the file.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// The library as phones get it, and as Kotlin's tests build it too.
const BUILD: &str = ". mobile-ffi/library.env; \
                     cargo build --quiet --locked -p mobile-ffi --all-features --target-dir target/phone";
const BUILT: &str = "target/phone/debug";
const SOURCE: &str = "target/bindings/swift/LangSo.swift";
const WRITTEN: &str = "mobile-ffi/api.txt";

/// Compares the generated API with the one that is written down.
pub(crate) fn check() -> Result<()> {
    let (now, written) = (generated()?, std::fs::read_to_string(WRITTEN).context(WRITTEN)?);
    if now == written {
        return Ok(());
    }
    let lost = written
        .lines()
        .filter(|line| !now.lines().any(|other| other == *line));
    let new = now
        .lines()
        .filter(|line| !written.lines().any(|other| other == *line));
    let difference: Vec<String> = lost
        .map(|line| format!("- {line}"))
        .chain(new.map(|line| format!("+ {line}")))
        .collect();
    bail!(
        "the bindings' API is not the one in {WRITTEN}; if that is meant: cargo xtask api write\n{}",
        difference.join("\n")
    )
}

/// Writes the generated API down.
pub(crate) fn write() -> Result<()> {
    Ok(std::fs::write(WRITTEN, generated()?)?)
}

fn generated() -> Result<String> {
    crate::run(&["sh", "-ec", BUILD], &[])?;
    let built = Path::new(BUILT);
    let (generator, library) = (built.join("uniffi-bindgen"), built.join(library_name()));
    let generate = [
        generator.to_str().context("a path that is no text")?,
        "generate",
        "--no-format",
        "--language",
        "swift",
        "--out-dir",
        "target/bindings/swift",
        library.to_str().context("a path that is no text")?,
    ];
    crate::run(&generate, &[])?;
    Ok(signatures(&std::fs::read_to_string(SOURCE).context(SOURCE)?))
}

fn library_name() -> String {
    format!(
        "{}langso_mobile{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    )
}

/// Starts of lines at the top level that begin something an app can name.
const TYPES: [&str; 4] = [
    "public protocol ",
    "public struct ",
    "public enum ",
    "open class ",
];
/// Starts of lines in it that are worth writing down.
const MEMBERS: [&str; 5] = [
    "func ",
    "public let ",
    "case ",
    "public convenience init",
    "public static func ",
];
/// What belongs to the machinery.
const INTERNAL: [&str; 5] = ["FfiConverter", "Uniffi", "UniFFI", "NoHandle", "unsafeFromHandle"];

/// What an app can name: each public type with its members, indented by one step.
fn signatures(swift: &str) -> String {
    let mut lines =
        vec!["The API of mobile-ffi as Swift sees it. Written by: cargo xtask api write".to_owned()];
    let (mut depth, mut inside) = (0_usize, false);
    for line in statements(swift) {
        let words = line.trim_end_matches('{').trim_end();
        let starts = |starts: &[&str]| starts.iter().any(|start| line.starts_with(start));
        let internal = INTERNAL.iter().any(|word| line.contains(word));
        if depth == 0 {
            inside = starts(&TYPES) && !internal;
            if inside {
                lines.extend([String::new(), words.to_owned()]);
            }
        } else if inside && depth == 1 && starts(&MEMBERS) && !internal {
            lines.push(format!("    {words}"));
        }
        depth += line.matches('{').count();
        depth = depth.saturating_sub(line.matches('}').count());
    }
    lines.join("\n") + "\n"
}

/// Lines without comments; what is in brackets, or after a lonely `public`, is on the line where it began.
fn statements(swift: &str) -> Vec<String> {
    let mut code = String::new();
    let mut rest = swift;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    code.push_str(rest);
    let mut statements: Vec<String> = Vec::new();
    let mut open = false;
    for line in code
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
    {
        match statements.last_mut().filter(|_| open) {
            Some(begun) => *begun = format!("{begun} {line}"),
            None => statements.push(line.to_owned()),
        }
        let last = statements.last().map_or("", String::as_str);
        open = last == "public" || last.matches('(').count() > last.matches(')').count();
    }
    statements
}
