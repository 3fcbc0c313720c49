//! `langso serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::say;
use crate::app::{App, OpenAppError};
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::metrics;
use crate::serve::{self, serve, stop_signal};
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
    /// Make backups here while the server runs.
    #[arg(long)]
    backup_dir: Option<PathBuf>,
    /// How often, such as 6h or 30m.
    #[arg(long, value_parser = seconds)]
    backup_every: Option<u64>,
    /// How many of them to keep.
    #[arg(long)]
    backup_keep: Option<usize>,
}

/// A length of time as people write it, in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let length: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    let seconds = u64::try_from(length.as_secs())
        .ok()
        .filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| "at least a second".to_owned())
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let overrides = Overrides {
            data: self.data,
            listen: self.listen,
            backup_dir: self.backup_dir,
            backup_every_s: self.backup_every,
            backup_keep: self.backup_keep,
        };
        let config = Config::load(self.config.as_deref(), &overrides)?;
        telemetry::start(&config);
        let app = App::open(config.clone(), Clock::system());
        let app = app.map_err(|error: OpenAppError| anyhow::anyhow!("{}: {error}", error.code()))?;
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            // For judging, reading, exporting and hashing passwords, all of them bounded; each thread more costs an arena.
            .max_blocking_threads(config.workers() + 4)
            .build()?
            .block_on(async {
                let listener = TcpListener::bind(config.listen)
                    .await
                    .with_context(|| format!("{}", config.listen))?;
                let address = listener.local_addr()?;
                tracing::info!(%address, data = %config.data.display(), "listening");
                say(format_args!("listening on http://{address}"));
                let metrics = metrics_of(&config, &app).await?;
                serve(listener, app, stop_signal()).await;
                metrics.inspect(tokio::task::JoinHandle::abort);
                tracing::info!("stopped");
                Ok(ExitCode::SUCCESS)
            })
    }
}

/// Serves metrics beside, where the settings say so.
async fn metrics_of(config: &Config, app: &Arc<App>) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(address) = config.metrics else {
        return Ok(None);
    };
    let recorded = metrics::start()?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("{address}"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics");
    let app = Arc::clone(app);
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = serve::metrics::serve(listener, app, recorded).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    })))
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_length_of_time_is_read_as_people_write_it() {
        for (text, expected) in [("6h", 21_600), ("30m", 1_800), ("90s", 90), ("1h30m", 5_400)] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in ["", "soon", "6", "0h", "-6h", "500ms"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
