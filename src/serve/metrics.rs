//! `/metrics`: how the accounts stand and what the server does, for Prometheus. A token sees its accounts, and
//! the server itself if it may see all.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::access::Scope;
use super::answer;
use super::app::App;
use super::problem::Problem;
use crate::metrics::{Kind, describe, of_accounts, seconds, value};

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Shows them.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Extension(scope): Extension<Scope>,
) -> Result<Response, Problem> {
    let mut text = String::new();
    accounts(&app, &scope, &mut text).await;
    if scope == Scope::All {
        app.traffic.write(&mut text);
        let name = "serve_in_use";
        describe(&mut text, name, "Requests and streams under way.", Kind::Gauge);
        for (what, used, _) in app.limits.used() {
            value(&mut text, name, &format!("what=\"{what}\""), used);
        }
        let name = "serve_limit";
        describe(&mut text, name, "How many of them there may be; more are refused.", Kind::Gauge);
        for (what, _, most) in app.limits.used() {
            value(&mut text, name, &format!("what=\"{what}\""), most);
        }
    }
    let permit = app.limits.answer(text.len())?;
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(TEXT))];
    Ok((kind, answer::body(text, permit)).into_response())
}

/// What the `status.json` of each account says that the caller may see.
async fn accounts(app: &App, scope: &Scope, text: &mut String) {
    let standing = app.library.standing().await;
    let seen = standing.figures.iter().filter(|(appid, _)| scope.has(appid));
    let seen: BTreeMap<_, _> = seen.map(|(appid, figures)| (appid, *figures)).collect();
    of_accounts(&seen).iter().for_each(|family| family.write(text));
    let name = "account_last_run_timestamp_seconds";
    describe(text, name, "When a run last ended for the account.", Kind::Gauge);
    for (appid, at) in standing.last_runs.iter().filter(|(appid, _)| scope.has(appid)) {
        value(text, name, &format!("appid=\"{appid}\""), seconds(*at));
    }
    let name = "serve_accounts_unread";
    describe(text, name, "Accounts whose status.json could not be read.", Kind::Gauge);
    value(text, name, "", standing.unread.iter().filter(|appid| scope.has(appid)).count());
}
