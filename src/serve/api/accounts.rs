//! The accounts of the archive.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::AppId;
use crate::serve::access::Scope;
use crate::serve::answer;
use crate::serve::app::App;

/// With more accounts, only catalogs that are in memory anyway are counted.
const COUNTED: usize = 20;

/// The accounts that the caller may see.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AccountList {
    /// The accounts, by appid.
    pub accounts: Vec<AccountEntry>,
    /// Whether the server demands that callers sign in, and this one has.
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
) -> Response {
    let known = app.library.accounts().await;
    let seen: Vec<&AppId> = known.iter().filter(|appid| scope.has(appid)).collect();
    let is_few = seen.len() <= COUNTED;
    let mut accounts = Vec::with_capacity(seen.len());
    for appid in seen {
        let index = match is_few {
            true => app.library.catalog(appid).await.ok().flatten(),
            false => app.library.catalog_at_hand(appid),
        };
        accounts.push(AccountEntry {
            appid: appid.clone(),
            published_at: index.as_ref().and_then(|index| index.published_at()),
            rooms: index.map(|index| index.rooms() as u64),
        });
    }
    let signed_in = app.access.open().is_none();
    answer::tagged(request.headers(), &AccountList { accounts, signed_in })
}
