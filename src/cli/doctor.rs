//! `doctor`: is everything in place? One line each, with a hint where it is not.

use std::fmt::Display;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use super::output;
use super::setup::{self, Setup};
use super::{Common, Exit};
use crate::hints::Explained;
use crate::pipeline::align_quota;
use crate::stage::Account;
use crate::store::IfNoneMatch;

/// Signatures are refused when the clocks differ by 15 minutes; this much is worth a word.
const SKEW: SignedDuration = SignedDuration::from_mins(2);

/// What was found, printed as it is found.
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

    fn fail(&mut self, what: &str, error: &(dyn std::error::Error + 'static)) {
        self.failed += 1;
        self.say("FAIL", what, Explained::of(error));
    }
}

pub(super) async fn run(common: &Common) -> anyhow::Result<Exit> {
    let setup = setup::open(common).await?;
    let mut findings = Findings { common, failed: 0, warned: 0 };
    findings.good(
        "configuration",
        format_args!("{}: {} accounts", common.config.display(), setup.accounts.len()),
    );
    findings.good("ledger", "it is open and up to date");
    bucket(&setup, &mut findings).await;
    for account in &setup.accounts {
        wechat(&setup, account, &mut findings).await;
    }
    let Findings { failed, warned, .. } = findings;
    if common.json {
        output::json(&json!({ "type": "summary", "failed": failed, "warned": warned }));
    } else {
        output::line(format_args!("{failed} failed, {warned} warnings"));
    }
    Ok(if failed > 0 { Exit::CouldNotRun } else { Exit::Done })
}

async fn bucket(setup: &Setup, findings: &mut Findings<'_>) {
    let store = &setup.context.store;
    if let Err(error) = store.check_bucket().await {
        findings.fail("bucket", &error);
        return;
    }
    findings.good("bucket", format_args!("{} answers", store.bucket()));
    match store.server_time().await {
        Ok(Some(time)) => {
            skew(findings, "bucket clock", time.duration_since(setup.context.clock.now()));
        }
        Ok(None) => findings.warn("bucket clock", "the store does not tell its time"),
        Err(error) => findings.fail("bucket clock", &error),
    }
    match store.round_trip().await {
        Ok(()) => findings.good("bucket rights", "objects can be written, read and deleted"),
        Err(error) => findings.fail("bucket rights", &error),
    }
    match store.multipart_works().await {
        Ok(_) => findings.good("multipart uploads", "they work"),
        Err(error) => findings.fail("multipart uploads", &error),
    }
    match store.abilities().await {
        Ok(abilities) => {
            if abilities.refuses_wrong_hash {
                findings
                    .good("integrity", "a body that differs from its signed SHA-256 is refused");
            } else {
                findings.warn(
                    "integrity",
                    "a body that differs from its signed SHA-256 is accepted\n\
                     hint: run `verify --deep` now and then: this store does not check what it gets",
                );
            }
            let kept = match (abilities.crc64nvme, abilities.crc64xz) {
                (true, true) => "CRC-64/NVME and CRC-64/XZ",
                (true, false) => "CRC-64/NVME",
                (false, true) => "CRC-64/XZ",
                (false, false) => "none; sizes are compared",
            };
            findings.good("checksums the store keeps", kept);
            let conditional = match abilities.if_none_match {
                IfNoneMatch::Honoured => "honoured",
                IfNoneMatch::Ignored => "ignored; nothing depends on them",
                IfNoneMatch::Refused => "refused; nothing depends on them",
            };
            findings.good("conditional writes", conditional);
        }
        Err(error) => findings.fail("store abilities", &error),
    }
}

async fn wechat(setup: &Setup, account: &Account, findings: &mut Findings<'_>) {
    let what = |name: &str| format!("{} {name}", account.appid);
    match account.client.check_token().await {
        Ok(check) => {
            let left = check.left.map_or_else(String::new, |left| {
                let left = Duration::from_secs(left.as_secs());
                format!(", good for {} more", humantime::format_duration(left))
            });
            findings.good(&what("token"), format_args!("from {}{left}", check.kind));
        }
        Err(error) => {
            findings.fail(&what("token"), &error);
            return;
        }
    }
    let quota = account.client.quota().await;
    if let Err(error) = &quota {
        findings.warn(
            &what("quota"),
            format_args!("WeChat does not tell: {}; calls are counted here", Explained::of(error)),
        );
    }
    if let Some(difference) = account.client.clock_skew() {
        skew(findings, &what("clock"), difference);
    }
    if quota.is_ok() {
        align_quota(&setup.context, account).await;
    }
    let (ledger, now) = (&setup.context.ledger, setup.context.clock.now());
    match ledger.quota(&account.appid, now, account.share).await {
        Ok(today) => findings.good(
            &what("calls"),
            format_args!(
                "{} left today: {} of {} made, {} are the shop's",
                today.left(),
                today.used,
                today.limit,
                today.reserve
            ),
        ),
        Err(error) => findings.fail(&what("calls"), &error),
    }
    permission(setup, account, findings, &what("live rooms")).await;
}

/// Asks for the room list: the one call that shows whether the account has the permission.
async fn permission(setup: &Setup, account: &Account, findings: &mut Findings<'_>, what: &str) {
    let page = account.call(&setup.context, "the room list", || account.client.rooms(0)).await;
    match page {
        Ok(page) => {
            let total = page.total.map_or_else(|| "none".to_owned(), |total| total.to_string());
            findings.good(what, format_args!("{total} are listed (this took one call)"));
        }
        Err(error) if error.is_quota() => findings.warn(what, Explained::of(&error)),
        Err(error) => findings.fail(what, &error),
    }
}

fn skew(findings: &mut Findings<'_>, what: &str, difference: SignedDuration) {
    let seconds = difference.as_secs();
    if difference.abs() > SKEW {
        findings.warn(
            what,
            format_args!("it differs from this machine's by {seconds} s\nhint: set this machine's clock (NTP)"),
        );
    } else {
        findings.good(what, format_args!("within {} s of this machine's", seconds.abs().max(1)));
    }
}
