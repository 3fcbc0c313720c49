//! The command line of `langso`.

use clap::Parser;
use langso_server::commands::Command;

/// Làng Số: an offline-first sync backend for village officials.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> std::process::ExitCode {
    Arguments::parse().command.run()
}
