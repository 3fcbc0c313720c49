//! The keys of a server: files beside the store, not in it.
//!
//! A copy of the store alone opens no sealed field and forges no token. Losing these files is another matter: without
//! `master.key` nobody reads sealed fields again, so they belong into the backup, and not into the same place.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sync_core::seal::MasterKey;
use sync_core::signature::DeviceKey;

/// Everything that is secret about a server.
#[derive(Debug)]
pub struct Keys {
    /// Signs access tokens.
    pub token: TokenKeys,
    /// Signs enrolments.
    pub realm: DeviceKey,
    /// Wraps record keys.
    pub master: MasterKey,
    /// Authenticates cursors.
    pub cursor: [u8; 32],
}

/// What tokens are signed with.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    /// Signs them.
    pub current: DeviceKey,
    /// Signed those that are still out.
    pub previous: Option<DeviceKey>,
}

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// It has not the 32 bytes of a key.
    #[error("{0} is not a key: restore it from the backup")]
    Damaged(PathBuf),
    /// The store is there, its keys are not.
    #[error("{0} is missing although the store exists: restore it from the backup")]
    Missing(PathBuf),
}

/// Whether keys may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The store is new: make them.
    Create,
    /// The store exists: fresh keys would open nothing that is in it.
    Refuse,
}

impl Keys {
    /// Reads the keys of `dir`.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn open(dir: &Path, missing: Missing, fill: impl Fn(&mut [u8])) -> Result<Self, KeysError> {
        if missing == Missing::Create {
            std::fs::create_dir_all(dir).map_err(|error| KeysError::Io(dir.to_owned(), error))?;
        }
        let key = |name: &str| read_or_make(&dir.join(name), missing, &fill);
        let keys = Self {
            token: TokenKeys {
                current: DeviceKey::from_seed(key("token.key")?),
                previous: previous_token(dir)?,
            },
            realm: DeviceKey::from_seed(key("realm.key")?),
            master: MasterKey::from_bytes(key("master.key")?),
            cursor: key("cursor.key")?,
        };
        if missing == Missing::Create {
            // The names of the files have to survive a power cut as well.
            File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(|error| KeysError::Io(dir.to_owned(), error))?;
        }
        Ok(keys)
    }
}

/// Reads the keys that tokens are signed with, after [`rotate_token`].
///
/// # Errors
/// [`KeysError`].
pub fn token_keys(dir: &Path) -> Result<TokenKeys, KeysError> {
    let current = read_or_make(&dir.join("token.key"), Missing::Refuse, &|_: &mut [u8]| ())?;
    Ok(TokenKeys {
        current: DeviceKey::from_seed(current),
        previous: previous_token(dir)?,
    })
}

fn previous_token(dir: &Path) -> Result<Option<DeviceKey>, KeysError> {
    let path = dir.join("token-previous.key");
    match read_or_make(&path, Missing::Refuse, &|_: &mut [u8]| ()) {
        Ok(seed) => Ok(Some(DeviceKey::from_seed(seed))),
        Err(KeysError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a fresh key in place of the one that tokens are signed with, and keeps that one for those that are out. At every
/// moment there is a whole current key: each step is one rename.
///
/// # Errors
/// [`KeysError`].
pub fn rotate_token(dir: &Path, fill: impl Fn(&mut [u8])) -> Result<DeviceKey, KeysError> {
    let current = read_or_make(&dir.join("token.key"), Missing::Refuse, &fill)?;
    let mut fresh = [0; 32];
    fill(&mut fresh);
    for (name, key) in [("token-previous.key", current), ("token.key", fresh)] {
        let (next, path) = (dir.join("token-next.key"), dir.join(name));
        let io = |error| KeysError::Io(path.clone(), error);
        // One that a crash left behind was never used.
        drop(std::fs::remove_file(&next));
        make(&next, &key).map_err(io)?;
        std::fs::rename(&next, &path).map_err(io)?;
    }
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| KeysError::Io(dir.to_owned(), error))?;
    Ok(DeviceKey::from_seed(fresh))
}

fn read_or_make(path: &Path, missing: Missing, fill: &impl Fn(&mut [u8])) -> Result<[u8; 32], KeysError> {
    let io = |error| KeysError::Io(path.to_owned(), error);
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(33).read_to_end(&mut bytes)) {
        Ok(_) => bytes.try_into().map_err(|_| KeysError::Damaged(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound && missing == Missing::Create => {
            let mut key = [0; 32];
            fill(&mut key);
            make(path, &key).map_err(io)?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(KeysError::Missing(path.to_owned())),
        Err(error) => Err(io(error)),
    }
}

fn make(path: &Path, key: &[u8; 32]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        let first = Keys::open(&keys, Missing::Create, |bytes| bytes.fill(7)).unwrap();
        let again = Keys::open(&keys, Missing::Create, |bytes| bytes.fill(8)).unwrap();
        assert_eq!(first.cursor, again.cursor);
        std::fs::write(keys.join("master.key"), b"short").unwrap();
        assert!(matches!(
            Keys::open(&keys, Missing::Create, |_| ()),
            Err(KeysError::Damaged(_))
        ));
        std::fs::remove_file(keys.join("master.key")).unwrap();
        assert!(matches!(
            Keys::open(&keys, Missing::Refuse, |_| ()),
            Err(KeysError::Missing(_))
        ));
    }
}
