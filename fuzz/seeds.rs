//! Writes the seeds of every target, and what once did harm, to where cargo-fuzz looks for its corpus.

use std::path::Path;

use langso_fuzz::targets::{TARGETS, known};

fn main() -> std::io::Result<()> {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (n, input) in known(&target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{n:03}")), input)?;
        }
    }
    Ok(())
}
