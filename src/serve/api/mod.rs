//! The API, version 1: JSON about accounts, rooms and what plays them.

mod accounts;
pub mod openapi;
mod playback;
pub(super) mod query;
mod room;
mod rooms;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, middleware};

use super::app::App;
use super::guard::{self, SeenAccount, SeenRoom};
use super::limits::Passing;
use super::problem::Problem;
use super::{answer, stream};
use crate::model::ImageRole;
use crate::playback::Ends;

/// The paths of the API.
pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let seen = Router::new()
        .route("/api/v1/accounts", get(accounts::list))
        .route("/api/v1/accounts/{appid}/rooms", get(rooms::find))
        .route("/api/v1/accounts/{appid}/rooms/{room}", get(room::show))
        .route("/api/v1/accounts/{appid}/rooms/{room}/manifest", get(manifest))
        .route("/api/v1/accounts/{appid}/status", get(status))
        .route("/api/v1/openapi.json", get(openapi::show))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), guard::api));
    let room = "/api/v1/accounts/{appid}/rooms/{room}/playback";
    seen.route(room, get(playback::show))
}

/// The manifest of a room, as it is in the bucket.
async fn manifest(
    State(app): State<Arc<App>>,
    SeenRoom(place): SeenRoom,
    request: Request,
) -> Result<Response, Problem> {
    let published = app.library.manifest(&place.appid, place.room).await?;
    let published = published.ok_or_else(not_archived)?;
    let object = stream::Object {
        appid: place.appid.clone(),
        key: app.store().keys(&place.appid).room(place.room).manifest(),
        bytes: published.bytes,
        content_type: "application/json",
        etag: Some(published.sha256.to_string()),
        version: published.version.clone(),
        passing: Passing::File,
    };
    let answered = stream::answer(&app, request.method(), request.headers(), &object).await;
    if let Err(stream::Failed::Replaced) = &answered {
        app.library.forget_manifest(&place.appid, place.room);
    }
    Ok(answered?)
}

/// The `status.json` of an account, as its last run left it.
async fn status(
    State(app): State<Arc<App>>,
    SeenAccount(appid): SeenAccount,
    request: Request,
) -> Result<Response, Problem> {
    let status = app.library.status(&appid).await?;
    let status = status.ok_or_else(|| {
        Problem::not_found("the account has no status.json yet: a `run` publishes it")
    })?;
    answer::tagged_json(&app.limits, request.headers(), status)
}

fn not_archived() -> Problem {
    Problem::not_found("the room has no manifest, so it is not archived")
}

/// The link to a picture of a room.
fn cover_url(app: &App, place: &guard::Place, key: &str, until: Ends) -> String {
    app.link_to_object(&place.appid, place.room, key, until)
}

/// The key of a room's cover in its manifest.
fn cover_of(manifest: &crate::model::Manifest) -> Option<&str> {
    let mut images = manifest.room.images.iter();
    images.find(|image| image.role == ImageRole::Cover)?.key.as_deref()
}
