//! The description of the API (OpenAPI 3.1), made from the types that are sent.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::accounts::AccountList;
use super::playback::RoomPlayback;
use super::query::{MOST, USUAL};
use super::room::RoomDetails;
use super::rooms::RoomPage;
use crate::model::{AccountStatus, Manifest};
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::guard::COOKIE;
use crate::serve::problem::Problem;

/// Sends it.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    answer::tagged(&app.limits, request.headers(), &document())
}

/// The description.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut types = settings.into_generator();
    let paths = paths(&mut types);
    let problem = types.subschema_for::<Problem>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "replay-archiver serve",
            "version": "1",
            "summary": "The archived replays of WeChat mini-program live rooms, read-only.",
            "description": "Times are RFC 3339 in UTC; what is not known is null. Where the server \
                has a token file, send a token of it, or log in at /login. Answers may gain fields.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }, { "login": [] }],
        "paths": paths,
        "components": {
            "schemas": types.take_definitions(true),
            "responses": {
                "problem": {
                    "description": "Why the request was not answered.",
                    "content": { "application/problem+json": { "schema": problem } },
                },
            },
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "login": { "type": "apiKey", "in": "cookie", "name": COOKIE },
            },
        },
    })
}

fn paths(types: &mut SchemaGenerator) -> Value {
    let account = [in_path("appid", "The account.", "string")];
    let room = [account[0].clone(), in_path("room", "The number of the room.", "integer")];
    let under = |rest: &str| format!("/api/v1/accounts{rest}");
    let operations = [
        (under(""), get::<AccountList>(types, "accounts", "The accounts.", &[])),
        (
            under("/{appid}/rooms"),
            get::<RoomPage>(types, "rooms", "Finds rooms.", &[&account[..], &search()].concat()),
        ),
        (
            under("/{appid}/rooms/{room}"),
            get::<RoomDetails>(
                types,
                "room",
                "What is archived of a room, and what proves it.",
                &room,
            ),
        ),
        (under("/{appid}/rooms/{room}/playback"), playback(types, &room)),
        (
            under("/{appid}/rooms/{room}/manifest"),
            get::<Manifest>(types, "manifest", "The manifest, as it is in the bucket.", &room),
        ),
        (
            under("/{appid}/status"),
            get::<AccountStatus>(types, "status", "How the account's last run ended.", &account),
        ),
    ];
    operations.into_iter().map(|(path, operation)| (path, json!({ "get": operation }))).collect()
}

/// The playback of a room, which a link of the room may ask for as well.
fn playback(types: &mut SchemaGenerator, room: &[Value]) -> Value {
    let link = [
        in_query(
            "e",
            "In place of a token: the `e` of an embed link.",
            &json!({ "type": "integer" }),
        ),
        in_query("s", "In place of a token: its `s`.", &json!({ "type": "string" })),
    ];
    let parameters = [room, &link].concat();
    let mut operation = get::<RoomPlayback>(types, "playback", "What plays a room.", &parameters);
    if let Some(operation) = operation.as_object_mut() {
        let security = json!([{ "token": [] }, { "login": [] }, {}]);
        operation.insert("security".to_owned(), security);
    }
    // Its URLs are new each time.
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.remove("304");
    }
    operation
}

/// The parameters of a search.
fn search() -> Vec<Value> {
    let day = || json!({ "type": "string", "format": "date" });
    let status = json!({
        "type": "array",
        "items": { "enum": ["complete", "partial", "lost", "empty", "none"] },
    });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL });
    let order = json!({ "enum": ["newest", "oldest"], "default": "newest" });
    let text = || json!({ "type": "string" });
    let mut status =
        in_query("status", "Rooms with one of these; none: without a manifest.", &status);
    if let Some(status) = status.as_object_mut() {
        status.insert("style".to_owned(), json!("form"));
        status.insert("explode".to_owned(), json!(false));
    }
    vec![
        in_query("q", "Words, all of which the name or the anchor's has.", &text()),
        in_query("from", "Rooms that began on this day in Beijing, or later.", &day()),
        in_query("to", "Rooms that began on this day in Beijing, or earlier.", &day()),
        status,
        in_query("order", "The latest or the earliest broadcast first.", &order),
        in_query("limit", "The most rooms on a page.", &limit),
        in_query("cursor", "The next_cursor of the page before.", &text()),
    ]
}

fn in_path(name: &str, description: &str, kind: &str) -> Value {
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "description": description,
        "schema": { "type": kind },
    })
}

fn in_query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

/// An operation that answers with a `T`.
fn get<T: JsonSchema>(
    types: &mut SchemaGenerator,
    id: &str,
    summary: &str,
    parameters: &[Value],
) -> Value {
    let schema = types.subschema_for::<T>();
    let problem = json!({ "$ref": "#/components/responses/problem" });
    json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "200": {
                "description": summary,
                "content": { "application/json": { "schema": schema } },
            },
            "304": { "description": "The caller has it already." },
            "400": problem,
            "401": problem,
            "404": problem,
            "default": problem,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_in_docs_is_that_of_the_types() {
        let published = include_str!("../../../docs/openapi.json");
        let published: Value = serde_json::from_str(published).unwrap();
        let hint = "`replay-archiver schema openapi` prints what docs/openapi.json should have";
        assert_eq!(published, document(), "{hint}");
    }
}
