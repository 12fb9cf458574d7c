//! `man`: manual pages, made of the same text as `--help`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_mangen::Man;

use super::{Arguments, Exit, output};

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The command, such as run or config-show; the program itself if missing.
    #[arg(value_name = "COMMAND", value_parser = known)]
    page: Option<String>,
    /// Write the pages of the program and of all commands into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    folder: Option<PathBuf>,
}

pub(super) fn run(arguments: &ManArguments) -> anyhow::Result<Exit> {
    let program = env!("CARGO_PKG_NAME");
    if let Some(folder) = &arguments.folder {
        write_all(folder)?;
        return Ok(Exit::Done);
    }
    let wanted = arguments.page.as_ref().map(|page| format!("{program}-{page}"));
    let wanted = wanted.as_deref().unwrap_or(program);
    let page = pages().into_iter().find(|page| page.get_filename() == format!("{wanted}.1"));
    let page = page.with_context(|| format!("there is no command {wanted}"))?;
    output::line(text(&page)?.trim_end());
    Ok(Exit::Done)
}

/// The name of a page, if there is one of that name.
fn known(name: &str) -> Result<String, String> {
    let file = format!("{}-{name}.1", env!("CARGO_PKG_NAME"));
    match pages().iter().any(|page| page.get_filename() == file) {
        true => Ok(name.to_owned()),
        false => Err("there is no such command; see --help".to_owned()),
    }
}

fn write_all(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("failed to create {}", folder.display()))?;
    for page in pages() {
        let file = folder.join(page.get_filename());
        std::fs::write(&file, text(&page)?)
            .with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(())
}

/// The page of the program, and one for each command and subcommand.
fn pages() -> Vec<Man> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    let mut pending = vec![program];
    while let Some(command) = pending.pop() {
        let visible = command.get_subcommands().filter(|command| !command.is_hide_set());
        pending.extend(visible.cloned());
        let source = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        pages.push(Man::new(command).source(source).manual("Archive of live replays"));
    }
    pages
}

/// A page in the language of `man`.
fn text(page: &Man) -> anyhow::Result<String> {
    let mut text = Vec::new();
    page.render(&mut text)?;
    let text = String::from_utf8(text)?;
    // No date, so that the same version makes the same page; without its quotes the source would be the date.
    let head = format!(".TH {name} 1  ", name = page.get_filename().trim_end_matches(".1"));
    let text = text.replacen(&head, &format!("{} \"\" ", head.trim_end()), 1);
    // What the help prints last are the exit codes.
    Ok(text.replace(".SH EXTRA", ".SH \"EXIT STATUS\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_names_its_flags() {
        let pages = pages();
        let page = |name: &str| {
            let page = pages.iter().find(|page| page.get_filename() == name);
            text(page.unwrap_or_else(|| panic!("{name}"))).unwrap()
        };
        assert!(page("replay-archiver.1").contains("EXIT STATUS"));
        let head =
            concat!(".TH replay-archiver 1 \"\" \"replay-archiver ", env!("CARGO_PKG_VERSION"));
        assert!(page("replay-archiver.1").contains(head), "{}", page("replay-archiver.1"));
        assert!(page("replay-archiver-run.1").contains("max\\-runtime"));
        assert!(page("replay-archiver-run.1").contains("REPLAY_ARCHIVER_CONFIG"));
        assert!(page("replay-archiver-config-show.1").contains("config\\-show"));
        let commands = Arguments::command();
        for command in commands.get_subcommands().map(clap::Command::get_name) {
            assert!(page(&format!("replay-archiver-{command}.1")).contains(".SH OPTIONS"));
        }
    }

    #[test]
    fn only_commands_have_a_page() {
        assert_eq!(known("backfill").as_deref(), Ok("backfill"));
        assert!(known("config-show").is_ok());
        for name in ["", "no-such", "replay-archiver", "run.1", "../run"] {
            assert!(known(name).is_err(), "{name}");
        }
    }
}
