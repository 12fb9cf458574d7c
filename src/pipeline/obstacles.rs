//! Makes recordings that a setting blocked due as soon as the setting changes.

use crate::config::WholePolicy;
use crate::ledger;
use crate::model::{AppId, Obstacle};
use crate::stage::Context;

/// Makes those recordings of an account due that the configuration no longer blocks.
///
/// # Errors
/// When the ledger fails.
pub(super) async fn lift(context: &Context, appid: &AppId) -> Result<(), ledger::Error> {
    for obstacle in context.ledger.obstacles(appid).await? {
        let is_lifted = match obstacle {
            Obstacle::WholePolicy => context.work.whole != WholePolicy::Never,
            Obstacle::Covered => context.work.whole == WholePolicy::Always,
            _ => context.media.lifts(&obstacle),
        };
        if !is_lifted {
            continue;
        }
        let recordings = context.ledger.lift(appid, &obstacle, context.clock.now()).await?;
        tracing::info!(
            account.appid = %appid,
            recordings,
            obstacle = %obstacle,
            "recordings are due again because the configuration allows them now"
        );
    }
    Ok(())
}
