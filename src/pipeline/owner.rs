//! Who holds a lease: one process on one machine.
//!
//! A lease outlives a killed process by some minutes. On the machine where that process ran its
//! death can be seen, so that the next run takes its rooms over at once; elsewhere the lease has to
//! run out. Where `/proc` tells nothing, no process is taken for dead.

use std::fs;

use crate::ledger;
use crate::model::RunId;
use crate::stage::Context;

/// The name of this process as an owner of leases: the run, and where and since when it works.
pub fn this_process(run_id: &RunId) -> String {
    let pid = std::process::id();
    let place = place().unwrap_or_default();
    format!("{run_id} {place} {pid} {}", started(pid).unwrap_or_default())
}

/// Gives up the leases of processes of this machine that are gone.
///
/// # Errors
/// When the ledger fails.
pub async fn take_over_from_the_dead(context: &Context) -> Result<(), ledger::Error> {
    let ledger = &context.ledger;
    for owner in ledger.lease_owners().await?.into_iter().chain(ledger.tellers().await?) {
        if is_gone(&owner) {
            let rooms = context.ledger.void_leases(&owner).await?;
            tracing::info!(
                lease.owner = owner,
                rooms,
                "the rooms of a dead process are taken over"
            );
        }
    }
    Ok(())
}

/// Whether an owner is a process of this machine that does not live any more.
pub fn is_gone(owner: &str) -> bool {
    let mut words = owner.split(' ').skip(1);
    let (Some(at), Some(pid), Some(since)) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let Ok(pid) = pid.parse() else { return false };
    place().as_deref() == Some(at) && started(pid).as_deref() != Some(since)
}

/// This boot of this machine, and the namespace that process ids mean something in.
fn place() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), namespace.to_string_lossy()))
}

/// When a process started, in ticks since boot; `None` when there is no such process.
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in parentheses, may hold anything; field 22 is the 20th after it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_of_this_machine_that_is_gone_is_taken_for_dead() {
        let run = RunId::new("2026-11-22T03:00:00Z".parse().unwrap());
        let this = this_process(&run);
        assert!(!is_gone(&this), "{this}");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let place = place().unwrap();
        assert!(is_gone(&format!("run {place} {pid} 1")));
        assert!(is_gone(&format!("run {place} {} 1", std::process::id())), "the pid was reused");
        assert!(!is_gone(&format!("run elsewhere/pid:[1] {pid} 1")));
        assert!(!is_gone("somebody"));
    }
}
