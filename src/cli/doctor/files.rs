//! Checks the files that this program trusts: whether other users of this machine can read their
//! secrets or write to them.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::super::setup;
use super::Findings;
use crate::config::{self, ConfigFile, Sources};
use crate::ledger::Place;

/// What a file is trusted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// It contains a secret.
    Secret,
    /// It controls what the program does.
    Orders,
    /// It records what the program did.
    Memory,
    /// A folder, in which others could replace the files.
    Folder,
}

/// The owner, group and mode of a file.
#[derive(Debug, Clone, Copy)]
struct Rights {
    mode: u32,
    user: u32,
    group: u32,
}

/// The user who runs this program.
#[derive(Debug, Clone, Copy)]
struct Me {
    user: u32,
    group: u32,
}

/// Reports each file that is open to others.
pub(super) fn check(findings: &mut Findings<'_>, ledger: &Place) -> anyhow::Result<()> {
    let sources = setup::sources(findings.common)?;
    let file = config::load_file(&sources.file, &sources.environment)?;
    let me = Me {
        user: rustix::process::geteuid().as_raw(),
        group: rustix::process::getegid().as_raw(),
    };
    let trusted = trusted(&sources, &file, ledger);
    let (mut seen, mut open) = (0_usize, 0_usize);
    for (path, trust) in trusted {
        let Ok(found) = std::fs::metadata(&path) else { continue };
        seen += 1;
        let rights = Rights { mode: found.mode(), user: found.uid(), group: found.gid() };
        if let Some(problem) = problem(&path, trust, rights, me) {
            open += 1;
            findings.warn("files", problem);
        }
    }
    if open == 0 {
        findings
            .good("files", format_args!("none of the {seen} files and folders is open to others"));
    }
    Ok(())
}

/// The files that may exist, and their folders, without duplicates.
fn trusted(sources: &Sources, file: &ConfigFile, ledger: &Place) -> Vec<(PathBuf, Trust)> {
    let full = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut trusted = Vec::new();
    if sources.file.exists() {
        let trust = if file.may_hold_secrets() { Trust::Secret } else { Trust::Orders };
        trusted.push((full(&sources.file), trust));
    }
    for secret in file.secret_files(&sources.environment) {
        trusted.push((full(&secret), Trust::Secret));
    }
    for program in file.programs().filter(|program| program.contains('/')) {
        trusted.push((full(Path::new(program)), Trust::Orders));
    }
    if let Some(ledger) = ledger.file() {
        for ending in ["", "-wal", "-shm"] {
            let mut name = ledger.as_os_str().to_owned();
            name.push(ending);
            trusted.push((name.into(), Trust::Memory));
        }
    }
    let folders: BTreeSet<PathBuf> = trusted
        .iter()
        .flat_map(|(path, _)| path.ancestors().skip(1))
        .map(Path::to_path_buf)
        .collect();
    trusted.extend(folders.into_iter().map(|folder| (folder, Trust::Folder)));
    trusted
}

/// What others can do with a file but should not, and how to prevent it.
fn problem(path: &Path, trust: Trust, rights: Rights, me: Me) -> Option<String> {
    const READ: u32 = 4;
    const WRITE: u32 = 2;
    const STICKY: u32 = 0o1000;
    let Rights { mode, user, group } = rights;
    let shown = path.display();
    let others = mode & 7;
    // The group of a service may read a file that root has written for it.
    let is_given = user != me.user && group == me.group;
    let of_group = (mode >> 3) & if is_given { WRITE } else { 7 };
    let (can_read, can_write) = ((others | of_group) & READ != 0, (others | of_group) & WRITE != 0);
    let whom = |right: u32| if others & right != 0 { "every user" } else { "its group" };
    let (reads, writes) = (whom(READ), whom(WRITE));
    let owned = (user != me.user && user != 0).then(|| {
        format!(
            "{shown} belongs to user {user}, who can change it\n\
             hint: run `chown {} '{shown}'` if that is not intended [RA111]",
            me.user
        )
    });
    match trust {
        Trust::Folder if others & WRITE != 0 && mode & STICKY == 0 => Some(format!(
            "{shown}: every user can replace files in this folder\n\
             hint: run `chmod o-w '{shown}'` [RA110]"
        )),
        Trust::Folder => None,
        Trust::Secret if can_write => Some(format!(
            "{shown} may hold a secret, and {writes} can change it\nhint: run `chmod 600 '{shown}'` [RA110]"
        )),
        Trust::Secret if can_read => Some(format!(
            "{shown} may hold a secret, and {reads} can read it\nhint: run `chmod 600 '{shown}'` [RA110]"
        )),
        Trust::Orders if can_write => Some(format!(
            "{shown} controls what this program does, and {writes} can change it\n\
             hint: run `chmod go-w '{shown}'` [RA110]"
        )),
        Trust::Memory if can_write => Some(format!(
            "{shown} records what was archived, and {writes} can change it\n\
             hint: run `chmod go-w '{shown}'` [RA110]"
        )),
        _ => owned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_do_with_a_file_is_told_with_its_chmod() {
        let me = Me { user: 1000, group: 1000 };
        let mine = |mode| Rights { mode, user: 1000, group: 1000 };
        let roots = |mode| Rights { mode, user: 0, group: 1000 };
        for (trust, rights, told) in [
            (Trust::Secret, mine(0o100600), None),
            (Trust::Secret, mine(0o100400), None),
            (
                Trust::Secret,
                mine(0o100644),
                Some(
                    "every user can read it\n\
                     hint: run `chmod 600 '/a/b'",
                ),
            ),
            (Trust::Secret, mine(0o100666), Some("every user can change it\nhint: run `chmod 600")),
            (Trust::Secret, mine(0o100602), Some("every user can change it")),
            (Trust::Secret, mine(0o100640), Some("its group can read it")),
            (Trust::Secret, mine(0o100660), Some("its group can change it")),
            (Trust::Secret, roots(0o100640), None),
            (Trust::Secret, roots(0o100660), Some("its group can change it")),
            (Trust::Secret, roots(0o100644), Some("every user can read it")),
            (Trust::Orders, mine(0o100644), None),
            (Trust::Orders, mine(0o100666), Some("hint: run `chmod go-w '/a/b'")),
            (Trust::Orders, mine(0o100664), Some("its group can change it")),
            (Trust::Memory, mine(0o100644), None),
            (Trust::Memory, mine(0o100666), Some("records what was archived, and every user")),
            (Trust::Folder, mine(0o40755), None),
            (Trust::Folder, mine(0o40775), None),
            (Trust::Folder, roots(0o41777), None),
            (Trust::Folder, roots(0o40777), Some("hint: run `chmod o-w '/a/b'")),
            (Trust::Memory, Rights { mode: 0o100644, user: 1001, group: 1 }, Some("user 1001")),
            (Trust::Orders, Rights { mode: 0o100644, user: 0, group: 0 }, None),
        ] {
            let found = problem(Path::new("/a/b"), trust, rights, me);
            match told {
                None => assert_eq!(found, None, "{trust:?} {rights:?}"),
                Some(told) => {
                    let found = found.unwrap_or_else(|| panic!("{trust:?} {rights:?}"));
                    assert!(found.contains(told) && found.contains("\nhint: "), "{found}");
                }
            }
        }
    }
}
