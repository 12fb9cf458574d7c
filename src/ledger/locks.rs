//! Where the processes that work on a ledger show that they live: in files that they hold locked.
//!
//! SQLite's lie beside its file, so that whoever can open the ledger finds them, in whatever container or
//! under whatever name. Those of a server lie in the machine's folder for temporary files: they are found
//! by the processes of one machine that share that folder.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

use super::{Ledger, Place};
use crate::model::Sha256Digest;

/// What the name of a lock's file ends in.
const ENDING: &str = ".lock";

/// The machine's folder for temporary files, whatever the environment says: all processes are to find
/// the same one.
const TEMPORARY: &str = "/tmp";

/// What the paths of a ledger's lock files begin with; `None` for one that no other process can open.
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
    /// The file that a run shows by that its process lives; `None` where no process can show it, and
    /// for what is no name of a run.
    pub fn lock_file(&self, run: &str) -> Option<PathBuf> {
        let is_plain = run.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let mut name = self.locks.clone()?.into_os_string();
        name.push(format!(".{run}{ENDING}"));
        (is_plain && !run.is_empty()).then(|| name.into())
    }

    /// The lock files of this ledger that there are.
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

    /// Whether this process works on no room under the name `owner`, as far as can be said at once.
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
