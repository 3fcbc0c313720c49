//! The directory that is a phone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use data_encoding::HEXLOWER;
use langso_mobile::{Vault, VaultError};

/// A phone's files.
#[derive(Debug)]
pub(crate) struct Home<'a>(pub(crate) &'a Path);

impl Home<'_> {
    fn vault(&self) -> PathBuf {
        self.0.join("vault.db")
    }

    fn key_file(&self) -> PathBuf {
        self.0.join("key")
    }

    fn server_file(&self) -> PathBuf {
        self.0.join("server")
    }

    /// Opens the phone; a directory without one becomes a new phone.
    pub(crate) fn open_or_create(&self) -> anyhow::Result<Arc<Vault>> {
        std::fs::create_dir_all(self.0).with_context(|| self.0.display().to_string())?;
        if !self.key_file().exists() {
            self.make_key().context("the key file")?;
        }
        if self.vault().exists() {
            return self.open();
        }
        Ok(Vault::create(text(&self.vault())?, self.key()?)?)
    }

    /// Whole or not at all: a key that was cut short would open nothing ever.
    fn make_key(&self) -> std::io::Result<()> {
        let (key, fresh): ([u8; 32], _) = (rand::random(), self.0.join("key.new"));
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(HEXLOWER.encode(&key).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(fresh, self.key_file())
    }

    /// Opens the phone.
    pub(crate) fn open(&self) -> anyhow::Result<Arc<Vault>> {
        let vault = Vault::open(text(&self.vault())?, self.key()?)?;
        vault.set_app_version(concat!("langso-phone ", env!("CARGO_PKG_VERSION")).to_owned());
        Ok(vault)
    }

    fn key(&self) -> anyhow::Result<Vec<u8>> {
        let hex = match std::fs::read(self.key_file()) {
            // Never enrolled, or revoked and wiped.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(VaultError::SignInAgain {
                    code: "not_enrolled".to_owned(),
                }
                .into());
            }
            read => read.context("the key file")?,
        };
        HEXLOWER
            .decode(hex.trim_ascii())
            .context("the key file is no key")
    }

    /// The server's address, once enrolled.
    pub(crate) fn server(&self) -> anyhow::Result<String> {
        let server = std::fs::read_to_string(self.server_file());
        Ok(server
            .context("this phone knows no server: enrol it first")?
            .trim()
            .to_owned())
    }

    /// The vault was wiped: what belonged to it goes too, the key first.
    pub(crate) fn forget(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.key_file()).context("the key file")?;
        std::fs::remove_file(self.server_file()).context("the server file")
    }

    /// Remembers the server's address.
    pub(crate) fn keep_server(&self, url: &str) -> anyhow::Result<()> {
        std::fs::write(self.server_file(), url).context("the server file")
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().context("the path is no text")?.to_owned())
}
