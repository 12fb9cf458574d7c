//! The program: flags → configuration → logging → command → exit code.

use std::process::ExitCode;

use replay_archiver::cli;

fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().collect();
    let arguments = match cli::parse(&given) {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    cli::logging::init(&arguments.logging, arguments.command.usual_log());
    cli::run(arguments).into()
}
