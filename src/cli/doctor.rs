//! `doctor`: checks that everything is in place and prints one line per check, with a hint where a
//! check fails.
//!
//! Each check has ten seconds, and names the address that does not answer in time.

mod account;
mod bucket;
mod files;
mod hosts;
mod player;

use std::fmt::Display;
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::figures::counted;
use super::notify::SILENCED;
use super::output;
use super::setup;
use super::{Common, Exit};
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::model::{Reason, RoomId};
use crate::notify::{self, Desk};
use account::Addresses;

/// Stores refuse signatures when the clocks differ by 15 minutes; `doctor` warns from this much on.
const SKEW: SignedDuration = SignedDuration::from_mins(2);

/// How long a check may take.
const PROMPT: Duration = Duration::from_secs(10);

/// How long the check that sends 5 MiB may take.
const UPLOAD: Duration = Duration::from_secs(120);

/// Flags of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// Check what players get instead: requests an archived MP4 at the URL that [serve] would give, as a browser
    /// does, without credentials. Needs only the bucket.
    #[arg(long)]
    player: bool,
    /// The room to request; by default, one of the newest.
    #[arg(long, value_name = "NUMBER", requires = "player")]
    room: Option<RoomId>,
    /// The origin of the page that would play it, for the CORS check [default: `[serve] public_url`].
    #[arg(long, value_name = "URL", requires = "player")]
    origin: Option<url::Url>,
}

/// Prints the findings as they are made.
struct Findings<'a> {
    common: &'a Common,
    failed: u32,
    warned: u32,
}

impl Findings<'_> {
    fn say(&mut self, verdict: &str, what: &str, text: impl Display) {
        if self.common.json {
            let text = text.to_string();
            output::json(
                &json!({ "type": "check", "check": what, "verdict": verdict, "text": text }),
            );
        } else {
            let text = text.to_string().replace('\n', "\n         ");
            output::line(format_args!("{verdict:<5} {what}: {text}"));
        }
    }

    fn good(&mut self, what: &str, text: impl Display) {
        self.say("ok", what, text);
    }

    fn warn(&mut self, what: &str, text: impl Display) {
        self.warned += 1;
        self.say("warn", what, text);
    }

    fn fail(&mut self, what: &str, text: impl Display) {
        self.failed += 1;
        self.say("FAIL", what, text);
    }

    /// Prints how many there were.
    fn end(&self) -> Exit {
        let Self { failed, warned, .. } = *self;
        if self.common.json {
            output::json(&json!({ "type": "summary", "failed": failed, "warned": warned }));
        } else {
            output::line(format_args!("{failed} failed, {}", counted(warned, "warning")));
        }
        if failed > 0 { Exit::CouldNotRun } else { Exit::Done }
    }

    /// Waits for the answer of `whom`, at most [`PROMPT`]. If it is not a success, prints the problem
    /// and returns `None`.
    async fn ask<T, E: std::error::Error + 'static>(
        &mut self,
        what: &str,
        whom: &str,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        self.ask_for(PROMPT, what, whom, answer).await
    }

    async fn ask_for<T, E: std::error::Error + 'static>(
        &mut self,
        limit: Duration,
        what: &str,
        whom: &str,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Option<T> {
        match within(limit, whom, answer).await {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fail(what, problem);
                None
            }
        }
    }
}

/// The answer if it came in time; otherwise the problem, with the address and a hint.
async fn within<T, E: std::error::Error + 'static>(
    limit: Duration,
    whom: &str,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Reason> {
    match clock::within(limit, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let mut explained = Reason::of(&error);
            if !explained.message.contains(whom) {
                explained.message.push_str(&format!(" (asked: {whom})"));
            }
            Err(explained)
        }
        Err(_) => Err(Reason::parse(&format!(
            "no answer from {whom} within {} s\n\
             hint: check that address, and whether this machine can reach it (DNS, proxy, \
             firewall) [RA417]",
            limit.as_secs()
        ))),
    }
}

pub(super) async fn run(common: &Common, arguments: &DoctorArguments) -> anyhow::Result<Exit> {
    if arguments.player {
        return player::run(common, arguments).await;
    }
    let mut config = impatient(setup::config(common)?);
    let channels = std::mem::take(&mut config.alerts.channels);
    let addresses = account::addresses(&config);
    let ledger = ledger_address(&config);
    let opening = setup::build(config, Clock::system());
    let Ok(setup) = clock::within(PROMPT, opening).await else {
        anyhow::bail!(
            "no answer from the ledger at {ledger} within {} s\n\
             hint: check url in [ledger], and whether this machine can reach it [RA410]",
            PROMPT.as_secs()
        );
    };
    let setup = setup?;
    let mut findings = Findings { common, failed: 0, warned: 0 };
    findings.good(
        "configuration",
        format_args!("{}, {}", source(common), counted(setup.accounts.len(), "account")),
    );
    if setup.is_ledger_new {
        let hint = setup::relative_hint(&setup.ledger_place);
        findings.warn("ledger", format_args!("{}: created a new ledger{hint}", setup.ledger_place));
    } else {
        findings.good("ledger", format_args!("{}: open and up to date", setup.ledger_place));
    }
    files::check(&mut findings, &setup.ledger_place)?;
    let ledger = &setup.context.ledger;
    let desk = Desk { ledger: Some(ledger), clock: &setup.context.clock, sender: "doctor" };
    for channel in &channels {
        if notify::is_silenced(channel, desk).await {
            findings.warn(&channel.name, SILENCED);
        }
    }
    bucket::check(&setup, &mut findings).await;
    for unread in &setup.unread {
        findings.fail("accounts", &unread.reason);
    }
    let registered = Addresses::registered();
    for account in &setup.accounts {
        let addresses = addresses.get(&account.appid).unwrap_or(&registered);
        account::check(&setup, account, addresses, &mut findings).await;
        hosts::check(&setup, account, &mut findings).await;
    }
    setup.end().await;
    setup.must_have_accounts()?;
    Ok(findings.end())
}

/// Where the configuration comes from.
fn source(common: &Common) -> String {
    let file = common.config_file();
    if file.exists() { file.display().to_string() } else { "from variables".to_owned() }
}

/// The address of the ledger for people, without user name and password.
fn ledger_address(config: &Config) -> String {
    let url = config.ledger_url.expose_secret();
    match url::Url::parse(url) {
        Ok(url) if url.has_host() => account::plain(&url),
        _ if url.starts_with("sqlite:") => url.to_owned(),
        _ => "its address".to_owned(),
    }
}

/// A configuration that repeats requests at most once, because a person waits for the answer.
fn impatient(mut config: Config) -> Config {
    const ATTEMPTS: u32 = 2;
    for policy in
        [&mut config.store.retry, &mut config.wechat.token_retry, &mut config.work.api_retry]
    {
        policy.attempts = policy.attempts.min(ATTEMPTS);
    }
    config
}

fn skew(findings: &mut Findings<'_>, what: &str, difference: SignedDuration) {
    let seconds = difference.as_secs();
    if difference.abs() > SKEW {
        findings.warn(
            what,
            format_args!(
                "differs from this machine's clock by {seconds} s\n\
                 hint: set this machine's clock (NTP) [RA416]"
            ),
        );
    } else {
        findings
            .good(what, format_args!("within {} s of this machine's clock", seconds.abs().max(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the connection failed\nhint: look at the cable")]
    struct Broken;

    #[tokio::test(start_paused = true)]
    async fn a_check_names_the_address_that_does_not_answer_within_ten_seconds() {
        let began = tokio::time::Instant::now();
        let silence = std::future::pending::<Result<(), Broken>>();
        let problem = within(PROMPT, "https://s3.example/", silence).await.unwrap_err().to_string();
        assert!(problem.starts_with("no answer from https://s3.example/ within 10 s\nhint: "));
        assert_eq!(began.elapsed(), PROMPT);
    }

    #[tokio::test]
    async fn a_check_names_the_address_once_whatever_went_wrong() {
        let failed = async { Err::<(), _>(Broken) };
        let problem = within(PROMPT, "https://s3.example/", failed).await.unwrap_err();
        let expected =
            "the connection failed (asked: https://s3.example/)\nhint: look at the cable";
        assert_eq!(problem.to_string(), expected);
    }
}
