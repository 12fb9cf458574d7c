//! A robot of a DingTalk group (钉钉): markdown, signed if it wants that.

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::post::{Post, Repeat};
use super::{Error, signature};
use crate::config::Robot;
use crate::model::text::capped;
use crate::notify::message::Message;

/// The most bytes of its markdown: a request may have 20,000.
const MOST: usize = 16_000;

/// Posts to a robot of DingTalk.
pub async fn send(post: &Post, robot: &Robot, message: &Message) -> Result<(), Error> {
    let title = capped(&message.title, 300);
    let head = match robot.keyword.as_str() {
        "" => format!("### {title}\n\n"),
        keyword => format!("### {title}\n\n{keyword}  \n"),
    };
    // Two spaces end a line.
    let text = format!("{head}{}", message.fitting(MOST - head.len().min(MOST / 2), "  \n"));
    let body = json!({ "msgtype": "markdown", "markdown": { "title": title, "text": text } });
    let mut url = robot.address.expose().clone();
    if let Some(secret) = &robot.secret {
        let millis = post.now().as_millisecond();
        let sign = signature::dingtalk(secret.expose_secret(), millis);
        url.query_pairs_mut()
            .append_pair("timestamp", &millis.to_string())
            .append_pair("sign", &sign);
    }
    let body = (body.to_string(), Repeat::Twice);
    post.json(&robot.address, url, &[], body).await?.accepted(&["errcode"], "errmsg")
}
