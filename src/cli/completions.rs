//! `completions`: completion scripts for shells.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Arguments, Exit, output};

/// Flags of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell to print the script for.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments) -> Exit {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, env!("CARGO_PKG_NAME"), &mut script);
    output::line(String::from_utf8_lossy(&script));
    Exit::Done
}
