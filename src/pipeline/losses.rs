//! What was lost is told once, by the first run that lives to tell it, whichever run noticed it.

use super::{Problem, Report};
use crate::ledger;
use crate::stage::{Account, Context};

/// Takes into the report what nobody was told of yet. What another process is about to tell is left to
/// it. Where the ledger fails, the report has the losses that this run has seen itself.
pub async fn take(context: &Context, accounts: &[std::sync::Arc<Account>], report: &mut Report) {
    for account in accounts {
        match context.ledger.take_losses(&account.appid, context.owner()).await {
            Ok(losses) => report.losses.extend(losses),
            Err(error) => {
                let reports = &mut report.accounts;
                // A ledger that fails was told of already, unless it has only just begun to.
                let found = reports.iter_mut().find(|r| r.appid == account.appid);
                let is_news = context.ledger.failure().is_none();
                if let Some(found) = found.filter(|found| is_news && found.problems.is_empty()) {
                    found.add(Problem::new("telling what was lost", &error.into()));
                }
                report.losses_unread = true;
            }
        }
    }
    report.ledger = context.ledger.failure().map(str::to_owned);
}

/// Notes that a person was told of the losses in a report. Called after they were.
///
/// # Errors
/// When the ledger fails: the next run tells them again then.
pub async fn told(context: &Context, report: &Report) -> Result<(), ledger::Error> {
    if report.losses.is_empty() {
        return Ok(());
    }
    let losses = report.losses.iter().map(|loss| &loss.recording);
    context.ledger.losses_told(losses, context.clock.now()).await
}
