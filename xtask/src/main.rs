//! `cargo xtask test`: everything that has to pass, in one command, here and in CI.
//!
//! Each step prints its name and what it runs, so that a failing one can be run again by hand. A tool that is missing
//! and can be installed is installed; what cannot be is an error that says what to do, never a skipped step.

mod api;

use std::env;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The oldest compiler that is supported (`rust-version` in `Cargo.toml`).
const RUST: (u32, u32) = (1, 95);

/// One thing that has to pass.
struct Step {
    name: &'static str,
    command: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        command: &["cargo", "fmt", "--all", "--check"],
        env: &[],
    },
    Step {
        name: "lints",
        command: &[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        env: &[],
    },
    Step {
        name: "fuzz",
        // A workspace of its own: that it builds; libFuzzer itself is not needed for that.
        command: &[
            "cargo",
            "check",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target-dir",
            "target/fuzz",
            "--no-default-features",
            "--all-targets",
            "--locked",
        ],
        env: &[],
    },
    Step {
        name: "docs",
        command: &[
            "cargo",
            "doc",
            "--workspace",
            "--no-deps",
            "--all-features",
            "--locked",
        ],
        env: &[("RUSTDOCFLAGS", "-D warnings")],
    },
    Step {
        name: "tests",
        // Without mobile-ffi, which would link everybody with the phone's encrypted SQLite.
        command: &[
            "cargo",
            "test",
            "--workspace",
            "--exclude",
            "mobile-ffi",
            "--all-features",
            "--locked",
        ],
        env: &[],
    },
    Step {
        name: "phone",
        command: &["cargo", "test", "-p", "mobile-ffi", "--all-features", "--locked"],
        env: &[],
    },
    Step {
        name: "bindings",
        command: &["cargo", "xtask", "api"],
        env: &[],
    },
    Step {
        name: "kotlin",
        // With the server that the tests before have built.
        command: &[
            "mvn",
            "-B",
            "-ntp",
            "-f",
            "mobile-ffi/kotlin/pom.xml",
            "-Dserver.built=true",
            "test",
        ],
        env: &[],
    },
    Step {
        name: "browser's tools",
        command: &["npm", "ci", "--silent", "--prefix", "tests/browser"],
        env: &[],
    },
    Step {
        name: "browser",
        // With the server that the tests before have built.
        command: &["npm", "test", "--prefix", "tests/browser"],
        env: &[],
    },
];

fn main() -> ExitCode {
    let outcome = match env::args().nth(1).as_deref() {
        Some("test") => test(),
        Some("api") if env::args().nth(2).as_deref() == Some("write") => api::write(),
        Some("api") => api::check(),
        other => {
            say(&format!(
                "unknown command {other:?}; there are: cargo xtask test, cargo xtask api [write]"
            ));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn test() -> Result<()> {
    check_compiler()?;
    for component in ["rustfmt", "clippy"] {
        ensure_component(component)?;
    }
    for (program, package) in [
        ("mvn", "maven"),
        ("javac", "default-jdk-headless"),
        ("npm", "npm"),
        ("chromium", "chromium"),
        ("strace", "strace"),
    ] {
        ensure_program(program, package)?;
    }
    ensure_openssl()?;
    for step in STEPS {
        let started = Instant::now();
        say(&format!("== {}: {}", step.name, step.command.join(" ")));
        run(step.command, step.env).with_context(|| step.name)?;
        say(&format!("== {} passed in {:.0?}", step.name, started.elapsed()));
    }
    say("== all steps passed");
    Ok(())
}

fn check_compiler() -> Result<()> {
    let output = Command::new("rustc").arg("--version").output().context("rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().nth(1).unwrap_or_default();
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) if (major, minor) >= RUST => Ok(()),
        _ => bail!(
            "Rust {}.{} or newer is needed, this is {version:?}: rustup update",
            RUST.0,
            RUST.1
        ),
    }
}

/// A component of the toolchain that may be missing in a minimal installation.
fn ensure_component(component: &str) -> Result<()> {
    let subcommand = component.trim_start_matches("rust");
    let there = Command::new("cargo").args([subcommand, "--version"]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    run(&["rustup", "component", "add", component], &[])
}

/// A program of a Debian package, which is installed where it is missing and can be.
fn ensure_program(program: &str, package: &str) -> Result<()> {
    if Command::new(program).arg("--version").output().is_ok() {
        return Ok(());
    }
    install(package).with_context(|| format!("{program} is needed: the package {package}"))
}

/// SQLCipher is built against the system's OpenSSL.
fn ensure_openssl() -> Result<()> {
    let source = "#include <openssl/evp.h>\n";
    let probe = env::temp_dir().join(format!("langso-openssl-{}.c", std::process::id()));
    std::fs::write(&probe, source)?;
    let found = Command::new("cc").arg("-fsyntax-only").arg(&probe).output();
    std::fs::remove_file(&probe)?;
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    install("libssl-dev").context("OpenSSL's headers are needed for the encrypted store of phones")
}

fn install(package: &str) -> Result<()> {
    run(&["apt-get", "update", "-qq"], &[])?;
    let install = [
        "apt-get",
        "install",
        "-qq",
        "-y",
        "--no-install-recommends",
        package,
    ];
    run(&install, &[("DEBIAN_FRONTEND", "noninteractive")])
}

fn run(command: &[&str], env: &[(&str, &str)]) -> Result<()> {
    let (program, arguments) = command.split_first().context("an empty command")?;
    let status = Command::new(program)
        .args(arguments)
        .envs(env.iter().copied())
        .status()
        .with_context(|| (*program).to_owned())?;
    if status.success() {
        Ok(())
    } else {
        bail!("{} ended with {status}", command.join(" "))
    }
}

#[expect(clippy::print_stdout, reason = "a command line talks to its user")]
fn say(line: &str) {
    println!("{line}");
}
