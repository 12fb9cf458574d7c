//! The accounts of the archive.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock;
use crate::model::AppId;
use crate::serve::access::Scope;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::problem::Problem;

/// With more accounts, only catalogs that are in memory anyway are counted.
const COUNTED: usize = 20;

/// How long the list waits for catalogs that are not in memory yet. They are read on meanwhile.
const LIST_WAIT: Duration = Duration::from_secs(2);

/// The accounts that the caller may see.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AccountList {
    /// The accounts, by appid.
    pub accounts: Vec<AccountEntry>,
    /// Whether the server requires callers to sign in, and this one has done so.
    pub signed_in: bool,
}

/// An account.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AccountEntry {
    /// Its appid.
    pub appid: AppId,
    /// When its catalog was published; `null` if it has none or that is not known.
    pub published_at: Option<Timestamp>,
    /// How many rooms its catalog has.
    pub rooms: Option<u64>,
}

/// Lists them.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
    request: Request,
) -> Result<Response, Problem> {
    let known = app.library.accounts().await;
    let seen: Vec<&AppId> = known.iter().filter(|appid| scope.has(appid)).collect();
    if seen.len() <= COUNTED {
        let looks = seen.iter().map(|appid| app.library.catalog(appid));
        // What failed, or takes longer, is not known.
        let _ = clock::within(LIST_WAIT, futures::future::join_all(looks)).await;
    }
    let accounts = seen.into_iter().map(|appid| entry(&app, appid)).collect();
    let signed_in = app.access().open().is_none();
    answer::tagged(&app.limits, request.headers(), &AccountList { accounts, signed_in })
}

fn entry(app: &App, appid: &AppId) -> AccountEntry {
    let index = app.library.catalog_at_hand(appid);
    AccountEntry {
        appid: appid.clone(),
        published_at: index.as_ref().and_then(|index| index.published_at()),
        rooms: index.map(|index| index.rooms() as u64),
    }
}
