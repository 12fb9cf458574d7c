//! Parses the flags, and reports what is wrong with them.

use std::ffi::OsString;
use std::io::Write as _;

use clap::Parser as _;
use clap::error::ErrorKind;

use super::{Arguments, Exit, output};
use crate::config::{HIDDEN, may_be_secret};
use crate::model::Reason;

/// What precedes a tip of clap's.
const TIPS: [&str; 2] = ["tip: ", "hint: "];

/// Parses the flags. Prints the help, or what is wrong with the flags, as JSON too if requested.
///
/// # Errors
/// The exit code to end with.
pub fn parse(given: &[OsString]) -> Result<Arguments, Exit> {
    Arguments::try_parse_from(given).map_err(|error| {
        if !error.use_stderr() {
            output::printed(|| error.print().and_then(|()| std::io::stdout().flush()));
            return output::finish(Exit::Done);
        }
        let text = coded(&masked(&error.render().to_string(), given));
        output::note(text.trim_end());
        if wants_json(given) {
            output::fatal(Exit::Usage, "usage", &explained(error.kind(), &text));
        }
        output::finish(Exit::Usage)
    })
}

/// Whether `--json` is among the flags, even if they could not be parsed.
fn wants_json(given: &[OsString]) -> bool {
    given.iter().take_while(|word| *word != "--").any(|word| word == "--json")
}

/// The text without given values that may be secret.
fn masked(text: &str, given: &[OsString]) -> String {
    let words = given.iter().skip(1).filter_map(|word| word.to_str());
    let words = words.flat_map(|word| [word, word.split_once('=').map_or("", |(_, value)| value)]);
    let secrets = words.filter(|word| may_be_secret(word));
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

/// The text with a code after each of clap's tips, which are hints.
fn coded(text: &str) -> String {
    let is_tip = |line: &str| TIPS.iter().any(|tip| line.trim_start().starts_with(tip));
    let lines = text.lines().map(|line| match is_tip(line) {
        true => format!("{line} [RA001]\n"),
        false => format!("{line}\n"),
    });
    lines.collect()
}

/// Splits clap's message into the error and its tips, which become hints.
fn explained(kind: ErrorKind, text: &str) -> Reason {
    let is_command_missing = matches!(
        kind,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
    );
    if is_command_missing {
        let (message, hints) =
            ("no command given".to_owned(), vec!["see --help [RA001]".to_owned()]);
        return Reason { message, hints };
    }
    let lines = text.lines().map(str::trim);
    let message: Vec<_> = lines.clone().take_while(|line| !line.is_empty()).collect();
    let message = message.join(" ");
    let tips = lines.filter_map(|line| TIPS.iter().find_map(|tip| line.strip_prefix(tip)));
    Reason {
        message: message.strip_prefix("error: ").unwrap_or(&message).to_owned(),
        hints: tips.map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_may_be_a_secret_among_the_flags_is_not_repeated() {
        let secret = "8d3f0a6b1c9e47725ab0c4d1e6f29b38";
        for line in [
            "run SECRET",
            "run --account=!SECRET",
            "status --room SECRET",
            "run --SECRET",
            "SECRET",
            "run --max-runtime=SECRET",
        ] {
            let given = words(&format!("replay-archiver {}", line.replace("SECRET", secret)));
            let error = Arguments::try_parse_from(&given).unwrap_err();
            let text = masked(&error.render().to_string(), &given);
            assert!(!text.contains(secret) && text.contains(HIDDEN), "{line}: {text}");
        }
    }

    #[test]
    fn an_error_is_taken_apart_into_a_message_and_hints() {
        let error = Arguments::try_parse_from(words("replay-archiver run --dryrun")).unwrap_err();
        let explained = explained(error.kind(), &coded(&error.render().to_string()));
        assert_eq!(explained.message, "unexpected argument '--dryrun' found");
        let hint = &explained.hints[0];
        assert!(hint.contains("--dry-run") && hint.ends_with(" [RA001]"), "{explained:?}");
        assert!(wants_json(&words("x run --json")) && !wants_json(&words("x run -- --json")));
    }
}
