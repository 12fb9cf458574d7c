//! Which path is answered by what, and what every request passes on its way.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, middleware};

use super::app::App;
use super::problem::Problem;
use super::{answer, api, guard, media, metrics, pages};

/// All of the server.
pub(super) fn router(app: &Arc<App>) -> Router {
    let pages_for_users = Router::new()
        .route("/", get(pages::rooms))
        .route("/rooms/{appid}/{room}", get(pages::room))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), guard::page));
    let for_anybody = Router::new()
        .route("/login", get(pages::login_page).post(pages::login))
        .route("/logout", post(pages::logout))
        .route("/assets/{*name}", get(pages::asset));
    let for_links = Router::new()
        .route("/embed/{appid}/{room}", get(pages::embed))
        .route("/media/{appid}/{room}/{*key}", get(media::object))
        .route("/hls/{appid}/{room}/whole.m3u8", get(media::playlist));
    let for_monitors = Router::new()
        .route("/metrics", get(metrics::show))
        .route_layer(middleware::from_fn_with_state(Arc::clone(app), guard::api));
    let answered = Router::new()
        .merge(api::router(app))
        .merge(for_monitors)
        .merge(pages_for_users)
        .merge(for_links)
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard::limited))
        // None of these asks the bucket for anybody who comes, and somebody who sends a form slowly keeps
        // nobody waiting.
        .merge(for_anybody)
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(nothing)
        .method_not_allowed_fallback(no_method);
    answered
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard::named))
        .layer(middleware::from_fn(answer::secured))
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard::logged))
        .with_state(Arc::clone(app))
}

/// Whether the bucket answers.
async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.library.ready().await?;
    Ok("ready\n")
}

async fn nothing() -> Problem {
    Problem::not_found("there is nothing at this path")
}

async fn no_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path knows other methods: `Allow` names them",
    )
}
