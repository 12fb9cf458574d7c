//! The program: flags → configuration → logging → command → exit code.

use std::process::ExitCode;

use clap::Parser as _;
use replay_archiver::cli;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    cli::logging::init(&arguments.logging);
    cli::run(arguments).into()
}
