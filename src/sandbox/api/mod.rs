//! The WeChat API: from a request to the reply.

mod admin;
pub(super) mod component;
mod live;
mod quota;
mod refusal;
mod token;

use axum::http::StatusCode;
use axum::http::header::DATE;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use super::effect::{self, Target};
use super::reply::Reply;
use super::request::Incoming;
use super::scenario::{ApiCall, Effect, Listener};
use super::world::World;
use refusal::Refusal;

pub use quota::Quotas;
pub use token::Tokens;

/// A reply, and whether a fault affected it.
#[derive(Debug)]
pub struct Answer {
    pub reply: Reply,
    /// Whether a fault struck.
    pub fault: bool,
}

/// Answers a request to the API's listener.
pub fn answer(world: &mut World, request: &Incoming) -> Answer {
    let call = call_of(request);
    let target = Target {
        on: Listener::Api,
        method: &request.method,
        path: &request.path,
        query: &request.query_text(),
        call,
        room: room_of(request),
        item: None,
        ranged: false,
    };
    let effect = effect::strike(&mut world.scenario.faults, &target);
    // The reply is computed even if a fault replaces it, because the call counts against the quota.
    let mut reply = if request.is_chunked() {
        Reply::empty(StatusCode::PRECONDITION_FAILED)
    } else {
        let mut outcome = route(world, request, call);
        if let (Some(Effect::Preview), Ok(value)) = (&effect, &mut outcome) {
            live::list_previews(value);
        }
        respond(world, outcome)
    };
    reply.delay = world.scenario.wechat.latency.0;
    match &effect {
        Some(Effect::Errcode { code, message }) => {
            let refusal = Refusal::new(*code, message.clone());
            reply = respond(world, Err(refusal));
        }
        Some(effect) => effect::apply(effect, &mut reply),
        None => {}
    }
    reply.set(DATE, &http_date(world.clock.now()));
    Answer { reply, fault: effect.is_some() }
}

/// A timestamp in the format of `Date`; `None` if it is out of range.
fn http_date(at: Timestamp) -> String {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

/// Answers a request to `/sandbox/…`, which controls the sandbox from outside.
pub fn admin(world: &mut World, request: &Incoming) -> Reply {
    admin::answer(world, request)
}

fn call_of(request: &Incoming) -> Option<ApiCall> {
    match request.path.as_str() {
        "/wxa/business/getliveinfo" => {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let replays = body.get("action").is_some();
            Some(if replays { ApiCall::Replays } else { ApiCall::Rooms })
        }
        "/cgi-bin/stable_token" => Some(ApiCall::StableToken),
        "/cgi-bin/token" => Some(ApiCall::Token),
        "/cgi-bin/openapi/quota/get" => Some(ApiCall::Quota),
        "/cgi-bin/component/api_component_token" => Some(ApiCall::ComponentToken),
        "/cgi-bin/component/api_get_authorizer_list" => Some(ApiCall::Authorizers),
        "/cgi-bin/component/api_authorizer_token" => Some(ApiCall::AuthorizerToken),
        _ => None,
    }
}

fn room_of(request: &Incoming) -> Option<i64> {
    let body: Value = serde_json::from_slice(&request.body).ok()?;
    body.get("room_id")?.as_i64()
}

fn route(world: &mut World, request: &Incoming, call: Option<ApiCall>) -> Result<Value, Refusal> {
    match call {
        Some(ApiCall::Rooms | ApiCall::Replays) => live::getliveinfo(world, request),
        Some(ApiCall::StableToken) => token::stable(world, request),
        Some(ApiCall::Token) => token::ordinary(world, request),
        Some(ApiCall::Quota) => quota::get(world, request),
        Some(ApiCall::ComponentToken) => component::own_token(world, request),
        Some(ApiCall::Authorizers) => component::authorizers(world, request),
        Some(ApiCall::AuthorizerToken) => component::authorizer_token(world, request),
        None => Err(refusal::INVALID_URL),
    }
}

/// Formats an outcome as WeChat does: always HTTP 200, and a message with a `rid`.
fn respond(world: &mut World, outcome: Result<Value, Refusal>) -> Reply {
    let body = outcome.unwrap_or_else(|refusal| {
        let rid = world.tokens.next_rid(world.clock.now());
        let mut body = json!({ "errcode": refusal.code });
        if let Value::Object(fields) = &mut body {
            if world.scenario.wechat.errmsg {
                fields.insert("errmsg".into(), format!("{} rid: {rid}", refusal.message).into());
            }
            fields.extend(refusal.fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
        }
        body
    });
    Reply::new(StatusCode::OK, &world.scenario.wechat.content_type, body.to_string())
}

/// The JSON object in a POST's body.
fn json_body(request: &Incoming) -> Result<serde_json::Map<String, Value>, Refusal> {
    if request.body.is_empty() {
        return Err(refusal::EMPTY_BODY);
    }
    serde_json::from_slice(&request.body).map_err(|_| refusal::BAD_JSON)
}

fn require_post(request: &Incoming) -> Result<(), Refusal> {
    if request.method == "POST" { Ok(()) } else { Err(refusal::REQUIRE_POST) }
}
