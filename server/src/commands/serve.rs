//! `langso serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::net::TcpListener;

use super::say;
use crate::app::{App, OpenAppError};
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::serve::{serve, stop_signal};
use crate::telemetry;

/// Serve a data directory; the first start makes it.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The data directory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where to listen, such as 127.0.0.1:8080; port 0 takes a free one.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// A TOML file with settings.
    #[arg(long)]
    config: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let overrides = Overrides {
            data: self.data,
            listen: self.listen,
        };
        let config = Config::load(self.config.as_deref(), &overrides)?;
        telemetry::start(&config);
        let app = App::open(config.clone(), Clock::system());
        let app = app.map_err(|error: OpenAppError| anyhow::anyhow!("{}: {error}", error.code()))?;
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            // For judging, reading and hashing passwords, all of them bounded; each thread more costs an arena.
            .max_blocking_threads(config.workers() + 3)
            .build()?
            .block_on(async {
                let listener = TcpListener::bind(config.listen)
                    .await
                    .with_context(|| format!("{}", config.listen))?;
                let address = listener.local_addr()?;
                tracing::info!(%address, data = %config.data.display(), "listening");
                say(format_args!("listening on http://{address}"));
                serve(listener, app, stop_signal()).await?;
                tracing::info!("stopped");
                Ok(ExitCode::SUCCESS)
            })
    }
}
