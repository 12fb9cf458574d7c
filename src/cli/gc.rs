//! `gc`: unfinished uploads that no run will resume, and films that no manifest names.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::figures::{bytes, moment};
use super::setup::{self, Setup};
use super::{Common, Exit, output, parse_duration};
use crate::model::{AppId, Reason};
use crate::pipeline::owner::{Alive, is_gone, reclaim_from_the_dead};
use crate::stage::films::{StrayFilm, stray_films};
use crate::stage::transfer::{Leftover, Leftovers, Verdict};
use crate::stage::transfer::{abort_leftover, forget_spent, leftovers};

/// Flags of `gc`.
#[derive(Debug, Args)]
pub struct GcArguments {
    /// Leave uploads alone that began more recently than this, and films that were made more recently.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub older_than: Duration,
    /// Abort the uploads that are ours and orphaned. Without this flag nothing is changed.
    #[arg(long)]
    pub abort: bool,
}

/// The result for the orphaned uploads.
#[derive(Debug, Default)]
struct Removed {
    aborted: usize,
    failed: usize,
    forgotten: usize,
}

pub(super) async fn run(common: &Common, arguments: &GcArguments) -> anyhow::Result<Exit> {
    collect(common, arguments, setup::open_existing(common).await?).await
}

/// Finds unfinished uploads and, if requested, aborts those that are proven to be ours.
///
/// # Errors
/// When the ledger or the store fails.
pub async fn collect(
    common: &Common,
    arguments: &GcArguments,
    setup: Setup,
) -> anyhow::Result<Exit> {
    let context = &setup.context;
    // Checked first because it fails fast: a listing would be retried for minutes.
    context.store.check_bucket().await.context("the bucket is not usable")?;
    let _alive = arguments.abort.then(|| Alive::show(context));
    if arguments.abort {
        reclaim_from_the_dead(context).await?;
    }
    let prefixes: Vec<String> = if common.accounts.is_empty() {
        vec![context.store.prefix().to_owned()]
    } else {
        let folder = |appid| context.store.keys(appid).folder().to_owned();
        common.accounts.iter().map(folder).collect()
    };
    let is_gone = |owner: &str| is_gone(&context.ledger, owner);
    let found = leftovers(context.records(), &prefixes, arguments.older_than, &is_gone).await?;
    let mut outcome = Removed::default();
    for upload in &found.uploads {
        let aborted = arguments.abort && abort(&setup, arguments, upload, &mut outcome).await;
        report(common, upload, aborted);
    }
    if arguments.abort {
        outcome.forgotten = forget_spent(&context.ledger, &found).await?;
    }
    let mut films = 0;
    let before = context.clock.ago(arguments.older_than);
    for account in &setup.accounts {
        let appid = &account.appid;
        let stray = stray_films(context.records(), appid, before, &is_gone).await?;
        stray.iter().for_each(|film| report_film(common, appid, film));
        films += stray.len();
    }
    summarize(common, arguments, &found, &outcome, films);
    Ok(if outcome.failed > 0 { Exit::Left } else { Exit::Done })
}

/// Aborts an orphaned upload; returns whether it succeeded. A failure does not stop the others.
async fn abort(
    setup: &Setup,
    arguments: &GcArguments,
    upload: &Leftover,
    outcome: &mut Removed,
) -> bool {
    match abort_leftover(setup.context.records(), upload, arguments.older_than).await {
        Ok(aborted) => {
            outcome.aborted += usize::from(aborted);
            aborted
        }
        Err(error) => {
            outcome.failed += 1;
            output::note(format_args!("{}: {}", upload.key, Reason::of(&error)));
            false
        }
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InUse => "in use",
        Verdict::Recent => "recent",
        Verdict::Orphaned => "ours, orphaned",
        Verdict::Unproven => "unproven",
    }
}

fn report(common: &Common, upload: &Leftover, aborted: bool) {
    let Leftover { key, id, initiated, verdict, reason, .. } = upload;
    if common.json {
        output::json(&json!({
            "type": "upload",
            "key": key,
            "upload_id": id,
            "initiated": initiated,
            "verdict": word(*verdict),
            "reason": reason,
            "aborted": aborted,
        }));
        return;
    }
    let since = initiated.map_or(String::new(), |at| format!(" since {}", moment(at)));
    let done = if aborted { "; aborted" } else { "" };
    output::line(format_args!("{}: {key}{since} ({reason}){done}", word(*verdict)));
}

fn report_film(common: &Common, appid: &AppId, film: &StrayFilm) {
    let StrayFilm { room, key, bytes: size } = film;
    if common.json {
        output::json(&json!({
            "type": "film", "appid": appid, "room_id": room, "key": key, "bytes": size,
        }));
    } else {
        output::line(format_args!("no manifest names the film {key} ({})", bytes(*size)));
    }
}

fn summarize(
    common: &Common,
    arguments: &GcArguments,
    found: &Leftovers,
    outcome: &Removed,
    films: usize,
) {
    let count = |verdict| found.count(verdict);
    let (in_use, recent) = (count(Verdict::InUse), count(Verdict::Recent));
    let (orphaned, unproven) = (count(Verdict::Orphaned), count(Verdict::Unproven));
    let Removed { aborted, failed, forgotten } = outcome;
    if common.json {
        output::json(&json!({
            "type": "summary",
            "in_use": in_use,
            "recent": recent,
            "orphaned": orphaned,
            "unproven": unproven,
            "aborted": aborted,
            "failed": failed,
            "intents_forgotten": forgotten,
            "store_lists_uploads": found.listed,
            "films_not_named": films,
        }));
        return;
    }
    output::line(format_args!(
        "{} unfinished uploads: {in_use} in use, {recent} recent, {orphaned} orphaned, \
         {unproven} unproven; {aborted} aborted",
        found.uploads.len()
    ));
    if films > 0 {
        output::note(
            "hint: a film is made of the segments, which stay: films that no manifest names can be \
             deleted with the store's own tools; gc deletes no object [RA320]",
        );
    }
    if !found.listed {
        output::note(
            "the store cannot list unfinished uploads; only those in the ledger are shown",
        );
    }
    if orphaned > 0 && !arguments.abort {
        output::note("hint: `gc --abort` aborts the uploads that are ours and orphaned [RA318]");
    }
    if unproven > 0 || !found.listed {
        output::note(
            "hint: uploads that are not provably ours are left alone; a bucket lifecycle rule \
             (AbortIncompleteMultipartUpload, after 7 days) removes them [RA319]",
        );
    }
}
