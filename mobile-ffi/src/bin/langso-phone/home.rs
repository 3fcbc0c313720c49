//! The directory that is a phone.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use data_encoding::HEXLOWER;
use langso_mobile::{Vault, VaultError};
use tempfile::NamedTempFile;

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

    /// Never over another one, which a vault may have been made with meanwhile.
    fn make_key(&self) -> std::io::Result<()> {
        let key: [u8; 32] = rand::random();
        let fresh = self.written(HEXLOWER.encode(&key).as_bytes())?;
        match fresh.persist_noclobber(self.key_file()) {
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
            named => {
                named.map_err(|error| error.error)?;
                File::open(self.0)?.sync_all()
            }
        }
    }

    /// A file that is on disk and has yet to get its name: whole or not at all, and for nobody else to read.
    fn written(&self, bytes: &[u8]) -> std::io::Result<NamedTempFile> {
        let mut file = NamedTempFile::new_in(self.0)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
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
        let fresh = self.written(url.as_bytes()).context("the server file")?;
        let named = fresh.persist(self.server_file());
        named.map_err(|error| error.error).context("the server file")?;
        Ok(())
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().context("the path is no text")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_another_process_made_meanwhile_stays_and_nothing_is_left_over() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home(dir.path());
        home.make_key().unwrap();
        let key = home.key().unwrap();
        home.make_key().unwrap();
        assert_eq!(home.key().unwrap(), key);
        assert_eq!(std::fs::read_dir(home.0).unwrap().count(), 1);
    }
}
