//! Configuration: defaults, then a TOML file, then the environment (`LANGSO_…`), then the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize};

/// What can be set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data directory: the store and its keys.
    pub data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How long an access token is good for, in seconds. A phone in use renews it on the way.
    pub token_ttl_s: u32,
    /// How many months of records phones hold.
    pub months: u16,
    /// Whether a proxy of ours stands before the server, whose `X-Forwarded-For` tells from where a request comes.
    pub behind_proxy: bool,
    /// Where metrics are served, such as 127.0.0.1:9090; without, nowhere.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
    /// A request that takes longer than this is given up, in seconds: its body trickles.
    pub request_timeout_s: u32,
    /// How many deliveries are judged at a time; 0: as many as there are processors.
    pub workers: usize,
    /// About how many changes of documents are kept in memory, a kilobyte each.
    pub cached_changes: usize,
    /// Where backups are made while the server runs; none without.
    pub backup_dir: Option<PathBuf>,
    /// How often, in seconds.
    pub backup_every_s: u64,
    /// How many of them are kept.
    pub backup_keep: usize,
    /// What is logged, as a filter: `info`, `langso_server=debug,info` …
    pub log: String,
    /// `json` or `text`.
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("langso-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token_ttl_s: 7 * 24 * 3600,
            months: 12,
            behind_proxy: false,
            metrics: None,
            request_timeout_s: 60,
            workers: 0,
            cached_changes: 20_000,
            backup_dir: None,
            backup_every_s: 6 * 3600,
            backup_keep: 28,
            log: "info,refinery_core=warn".to_owned(),
            log_format: LogFormat::Json,
        }
    }
}

/// What the command line sets.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Overrides {
    /// The data directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Where to listen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Where backups are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_dir: Option<PathBuf>,
    /// How often, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_every_s: Option<u64>,
    /// How many are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_keep: Option<usize>,
}

impl Config {
    /// Puts the layers together.
    ///
    /// # Errors
    /// A setting that is unknown or of another type, with its name and where it comes from.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, Box<figment::Error>> {
        let mut layers = Figment::from(Serialized::defaults(Config::default()));
        if let Some(file) = file {
            layers = layers.merge(Toml::file_exact(file));
        }
        layers
            .merge(Env::prefixed("LANGSO_"))
            .merge(Serialized::defaults(overrides))
            .extract()
            .map_err(Box::new)
    }

    /// How many deliveries are judged at a time.
    pub fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        if self.workers == 0 {
            processors()
        } else {
            self.workers
        }
    }
}
