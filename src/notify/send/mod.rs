//! Sends a message through one channel. What the receiver says of it decides, not the status of its reply.

mod command;
mod dingtalk;
mod error;
mod feishu;
mod mail;
mod post;
mod signature;
mod webhook;
mod wecom;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::message::Message;
use crate::config::{Channel, Way};
use crate::retry::{self, Policy};

pub use error::Error;
pub use post::Post;

/// Few attempts: what does not arrive is in the next run's message.
const POLICY: Policy = Policy {
    attempts: 3,
    base: Duration::from_secs(1),
    cap: Duration::from_secs(5),
    budget: Duration::from_secs(15),
};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(8);

/// What is sent.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Its own id, the same in each attempt.
    pub id: String,
    /// What it is about: an event's name.
    pub event: String,
    /// When it was made.
    pub at: Timestamp,
    /// For people.
    pub message: Message,
    /// For programs.
    pub data: Value,
}

impl Parcel {
    /// What a webhook or a command gets.
    fn json(&self) -> Value {
        const MOST: usize = 16_000;
        json!({
            "type": format!("replay_archiver.{}", self.event),
            "timestamp": self.at,
            "data": {
                "id": self.id,
                "title": self.message.title,
                "text": self.message.text(MOST),
                "digest": self.data,
            },
        })
    }
}

/// Sends a parcel, with a few attempts. On `Ok` the receiver has said that it has the message.
///
/// # Errors
/// When it has not, or nobody knows; the error names no address.
pub async fn send(post: &Post, channel: &Channel, parcel: &Parcel) -> Result<(), Error> {
    retry::with(&POLICY, "sending a notification", || attempt(post, channel, parcel)).await
}

/// A part of an address without its %-signs.
fn decoded(part: &str) -> String {
    let pair = format!("x={}", part.replace('+', "%2B"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

async fn attempt(post: &Post, channel: &Channel, parcel: &Parcel) -> Result<(), Error> {
    match &channel.way {
        Way::Wecom(robot) => wecom::send(post, robot, &parcel.message).await,
        Way::Dingtalk(robot) => dingtalk::send(post, robot, &parcel.message).await,
        Way::Feishu(robot) => feishu::send(post, robot, &parcel.message).await,
        Way::Webhook(robot) => webhook::send(post, robot, parcel).await,
        Way::Mail { server, from, to } => mail::send(server, from, to, parcel).await,
        Way::Command { program, arguments, environment } => {
            command::send(program, arguments, environment, &parcel.json()).await
        }
    }
}
