//! The program: flags → configuration → traces and logging → command → exit code.

use std::process::ExitCode;

use replay_archiver::cli;
use replay_archiver::cli::telemetry::Telemetry;

fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().collect();
    let arguments = match cli::parse(&given) {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    let telemetry = Telemetry::begin(&arguments.command);
    cli::logging::init(&arguments.logging, arguments.command.usual_log(), &telemetry);
    cli::run(arguments, telemetry).into()
}
