//! The files that prove that processes working on a ledger are alive: each process holds its own
//! locked.
//!
//! The lock files of an SQLite ledger are beside its file, so that everybody who can open the ledger
//! finds them, in any container and under any path. Those of a server are in the machine's folder for
//! temporary files: processes of one machine find them if they share that folder.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

use super::{Ledger, Place};
use crate::model::Sha256Digest;

/// The ending of a lock file's name.
const ENDING: &str = ".lock";

/// The machine's folder for temporary files, whatever the environment says, so that all processes use
/// the same one.
const TEMPORARY: &str = "/tmp";

/// The common prefix of the paths of a ledger's lock files; `None` if no other process can open the
/// ledger.
pub(super) fn stem(url: &str) -> Option<PathBuf> {
    if !url.starts_with("sqlite:") {
        let server = PgConnectOptions::from_str(url).ok()?;
        let (host, port) = (server.get_host(), server.get_port());
        let (database, options) = (server.get_database(), server.get_options());
        let place = format!("{host} {port} {database:?} {options:?}");
        let digest = Sha256Digest::of(place.as_bytes()).to_string();
        let name = format!("replay-archiver-{}", digest.get(..16)?);
        return Some(Path::new(TEMPORARY).join(name));
    }
    let place = Place::of(url);
    place.file().filter(|file| file.file_name().is_some()).map(Path::to_path_buf)
}

impl Ledger {
    /// The file that proves that the process of a run is alive; `None` if no process can prove that
    /// here, or if `run` is not the name of a run.
    pub fn lock_file(&self, run: &str) -> Option<PathBuf> {
        let is_plain = run.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let mut name = self.locks.clone()?.into_os_string();
        name.push(format!(".{run}{ENDING}"));
        (is_plain && !run.is_empty()).then(|| name.into())
    }

    /// The existing lock files of this ledger.
    pub fn lock_files(&self) -> Vec<PathBuf> {
        let Some((folder, name)) = self
            .locks
            .as_ref()
            .and_then(|stem| Some((stem.parent()?, stem.file_name()?.to_str()?)))
        else {
            return Vec::new();
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let run_of = |path: &Path| {
            let of_this = path.file_name()?.to_str()?.strip_prefix(name)?.strip_prefix('.')?;
            of_this.strip_suffix(ENDING).map(str::to_owned)
        };
        let is_lock =
            |path: &PathBuf| run_of(path).is_some_and(|run| self.lock_file(&run).is_some());
        entries.map(|entry| entry.path()).filter(is_lock).collect()
    }

    /// Whether this process works on no room under the name `owner`; `false` if that is not known at
    /// once.
    pub fn is_idle(&self, owner: &str) -> bool {
        self.held.try_lock().is_ok_and(|held| held.is_idle(owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_lie_beside_a_file_and_those_of_a_server_have_a_name_without_its_password() {
        for url in ["sqlite:dir/a.sqlite", "sqlite://dir/a.sqlite?mode=rwc"] {
            assert!(stem(url).unwrap().ends_with("dir/a.sqlite"), "{url}");
        }
        assert_eq!(stem("sqlite::memory:"), None);
        let [one, other, another] = ["u:one@h/a", "u:two@h/a", "u:two@h/b"]
            .map(|rest| stem(&format!("postgres://{rest}")).unwrap());
        assert!(one.starts_with("/tmp") && one == other && other != another, "{one:?}");
    }
}
