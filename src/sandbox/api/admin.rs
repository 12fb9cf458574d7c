//! `/sandbox/…`: controls the sandbox from outside, for example with curl.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::reply::Reply;
use super::super::request::Incoming;
use super::super::scenario::{Fault, Scenario};
use super::super::world::World;
use super::component;

/// The reply to a wrong request.
type Complaint = (StatusCode, String);

/// How to change the clock.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockChange {
    advance_seconds: Option<u64>,
    set: Option<Timestamp>,
}

/// Answers the request; the reply says what is wrong with it.
pub fn answer(world: &mut World, request: &Incoming) -> Reply {
    let outcome = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/sandbox/ticket") => ticket(world),
        ("GET", "/sandbox/calls") => serde_json::to_value(&world.calls).map_err(bad),
        ("GET", "/sandbox/clock") => Ok(now(world)),
        ("POST", "/sandbox/clock") => change_clock(world, &request.body),
        ("POST", "/sandbox/faults") => add_faults(world, &request.body),
        ("POST", "/sandbox/scenario") => replace_scenario(world, &request.body),
        (
            _,
            "/sandbox/ticket" | "/sandbox/calls" | "/sandbox/clock" | "/sandbox/faults"
            | "/sandbox/scenario",
        ) => Err((StatusCode::METHOD_NOT_ALLOWED, "wrong method".to_owned())),
        _ => Err((StatusCode::NOT_FOUND, "no such path".to_owned())),
    };
    let (status, body) = match outcome {
        Ok(value) => (StatusCode::OK, value),
        Err((status, error)) => (status, json!({ "error": error })),
    };
    Reply::new(status, "application/json", format!("{body:#}\n"))
}

/// The ticket that WeChat pushed to the platform last.
fn ticket(world: &World) -> Result<Value, Complaint> {
    let platform = world.scenario.platform.as_ref().ok_or_else(|| bad("there is no platform"))?;
    Ok(json!({ "component_verify_ticket": component::ticket(platform, world.clock.now()) }))
}

fn now(world: &World) -> Value {
    json!({ "now": world.clock.now() })
}

fn change_clock(world: &World, body: &[u8]) -> Result<Value, Complaint> {
    match serde_json::from_slice(body).map_err(bad)? {
        ClockChange { advance_seconds: Some(seconds), set: None } => {
            world.clock.advance(Duration::from_secs(seconds));
        }
        ClockChange { advance_seconds: None, set: Some(at) } => world.clock.set_to(at),
        _ => return Err(bad("give either `advance_seconds` or `set`")),
    }
    Ok(now(world))
}

/// Adds one fault, or a list of them, after the existing ones.
fn add_faults(world: &mut World, body: &[u8]) -> Result<Value, Complaint> {
    let value: Value = serde_json::from_slice(body).map_err(bad)?;
    let faults: Vec<Fault> = match value {
        Value::Array(_) => serde_json::from_value(value).map_err(bad)?,
        one => vec![serde_json::from_value(one).map_err(bad)?],
    };
    let added = faults.len();
    world.scenario.faults.extend(faults);
    Ok(json!({ "added": added }))
}

/// Replaces the scenario. Relative times still count from the sandbox's start, and tokens, quotas and
/// the recorded calls stay.
fn replace_scenario(world: &mut World, body: &[u8]) -> Result<Value, Complaint> {
    let text = std::str::from_utf8(body).map_err(bad)?;
    let scenario = Scenario::parse(text).map_err(bad)?;
    if let Some(at) = scenario.now {
        world.clock.set_to(at);
    }
    let rooms: usize = scenario.accounts.iter().map(|account| account.rooms.len()).sum();
    let accounts = scenario.accounts.len();
    world.scenario = scenario;
    Ok(json!({ "accounts": accounts, "rooms": rooms }))
}

fn bad(error: impl Into<Box<dyn std::error::Error>>) -> Complaint {
    (StatusCode::BAD_REQUEST, error.into().to_string())
}
