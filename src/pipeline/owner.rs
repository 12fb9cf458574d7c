//! Identifies the owner of a lease: one process on one machine.
//!
//! A lease outlives a killed process by some minutes. On the same machine the death of that process
//! can be proven, so that the next run reclaims its rooms at once. A working process holds a lock on
//! a file; the operating system releases the lock when the process has ended, for whatever reason,
//! and not before. Taking the lock is the proof, from any user, container or `/proc`. If the file
//! does not exist or cannot be opened, nothing is proven and the lease has to expire: a process that
//! cannot be seen is not dead.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::ledger::{self, Ledger};
use crate::model::RunId;
use crate::stage::Context;

/// The owner name of this process: the run id, and the boot id of the machine.
pub fn this_process(run_id: &RunId) -> String {
    format!("{run_id} {}", boot().unwrap_or_default())
}

/// The boot id of this machine. A lock proves nothing across machines, because some shared folders
/// keep locks per machine.
fn boot() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(boot.trim().to_owned())
}

/// Shows other processes that this one is alive, until it is dropped.
///
/// Dropping it removes the file unless a lease remains. In that case the next process finds the file
/// unlocked and need not wait for the lease to expire.
#[derive(Debug)]
pub struct Alive {
    ledger: Ledger,
    owner: String,
    path: PathBuf,
    _locked: File,
}

impl Alive {
    /// Creates and locks the file. If that fails and this process is killed, its leases have to
    /// expire.
    pub fn show(context: &Context) -> Option<Self> {
        let (ledger, owner) = (context.ledger.clone(), context.owner().to_owned());
        let (run, boot) = owner.split_once(' ')?;
        let path = ledger.lock_file(run).filter(|_| !boot.is_empty())?;
        match lock_new(&path, &owner) {
            Ok(file) => Some(Self { ledger, owner, path, _locked: file }),
            Err(error) => {
                tracing::debug!(error = %error, "failed to lock a file that shows other processes when this one ends");
                None
            }
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if self.ledger.is_idle(&self.owner) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates a lock file, locks it, and then writes the owner into it.
fn lock_new(path: &Path, owner: &str) -> io::Result<File> {
    let mut file = File::options().write(true).create_new(true).open(path)?;
    // A process that probes the file in between releases the lock at once.
    let written = file.lock().and_then(|()| {
        let text = text_of(owner, &file)?;
        file.write_all(text.as_bytes())
    });
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written.map(|()| file)
}

/// The content of a lock file. It includes the inode, so that a copy of the file proves nothing.
fn text_of(owner: &str, file: &File) -> io::Result<String> {
    Ok(format!("{} {owner}", file.metadata()?.ino()))
}

/// The owner of a lock file whose lock is free: that process has ended. As long as the returned file
/// stays open, no other process gets the same answer.
fn ended(path: &Path) -> Option<(String, File)> {
    let mut file = File::open(path).ok()?;
    file.try_lock().ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let (_, owner) = text.split_once(' ')?;
    let is_original = text_of(owner, &file).ok()? == text;
    is_original.then(|| (owner.to_owned(), file))
}

/// Whether an owner is proven to have ended.
pub fn is_gone(ledger: &Ledger, owner: &str) -> bool {
    let Some((run, its_boot)) = owner.split_once(' ') else { return false };
    let path = ledger.lock_file(run).filter(|_| boot().as_deref() == Some(its_boot));
    path.and_then(|path| ended(&path)).is_some_and(|(found, _)| found == owner)
}

/// Voids the leases of processes that are proven to have ended, lets others report the losses that
/// those were about to report, and removes their lock files.
///
/// # Errors
/// When the ledger fails.
pub async fn reclaim_from_the_dead(context: &Context) -> Result<(), ledger::Error> {
    let ledger = &context.ledger;
    for path in ledger.lock_files() {
        let Some((owner, _kept)) = ended(&path) else { continue };
        if is_of_this_boot(&owner) {
            let rooms = ledger.void_leases(&owner).await?;
            if rooms > 0 {
                tracing::info!(lease.owner = owner, rooms, "reclaimed the rooms of a dead process");
            }
        } else if ledger.lease_owners().await?.contains(&owner)
            || ledger.tellers().await?.contains(&owner)
        {
            continue;
        }
        let _ = fs::remove_file(&path);
    }
    Ok(())
}

fn is_of_this_boot(owner: &str) -> bool {
    let its_boot = owner.split_once(' ').map(|(_, boot)| boot);
    its_boot.is_some() && its_boot == boot().as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(second: u8) -> String {
        this_process(&RunId::new(format!("2026-11-22T03:00:{second:02}Z").parse().unwrap()))
    }

    async fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
        (folder, Ledger::open(&url).await.unwrap())
    }

    fn lock_of(ledger: &Ledger, owner: &str) -> PathBuf {
        ledger.lock_file(owner.split_once(' ').unwrap().0).unwrap()
    }

    #[tokio::test]
    async fn only_a_lock_that_is_free_proves_that_its_process_has_ended() {
        let (_folder, ledger) = ledger().await;
        let owner = owner(0);
        assert!(!is_gone(&ledger, &owner), "it shows nothing");
        let locked = lock_new(&lock_of(&ledger, &owner), &owner).unwrap();
        assert!(!is_gone(&ledger, &owner), "it lives");
        drop(locked);
        assert!(is_gone(&ledger, &owner));
        let elsewhere = format!("{} another-boot", owner.split_once(' ').unwrap().0);
        assert!(!is_gone(&ledger, &elsewhere));
        for other in
            ["somebody", "../../etc/passwd x", "20261122T030000Z-1a2b3c4d boot/pid:[1] 7 9"]
        {
            assert!(!is_gone(&ledger, other), "{other}");
        }
        assert_eq!(ledger.lock_files(), [lock_of(&ledger, &owner)]);
    }

    #[tokio::test]
    async fn a_lock_that_is_a_copy_or_says_nothing_proves_nothing() {
        let (folder, ledger) = ledger().await;
        let [one, two] = [owner(1), owner(2)];
        let path = lock_of(&ledger, &one);
        drop(lock_new(&path, &one).unwrap());
        let text = fs::read(&path).unwrap();
        fs::rename(&path, folder.path().join("original")).unwrap();
        fs::write(&path, text).unwrap();
        fs::write(lock_of(&ledger, &two), "").unwrap();
        assert!(!is_gone(&ledger, &one) && !is_gone(&ledger, &two));
        assert!(lock_new(&path, &one).is_err(), "nobody's file is taken");
    }
}
