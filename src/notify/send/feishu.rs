//! A robot of a Feishu group (飞书): text, signed if it wants that.

use secrecy::ExposeSecret as _;
use serde_json::json;

use super::post::{Post, Repeat};
use super::{Error, signature};
use crate::config::Robot;
use crate::notify::message::Message;

/// The most bytes of its text: a request may have 20 KB.
const MOST: usize = 16_000;

/// Posts to a robot of Feishu.
pub async fn send(post: &Post, robot: &Robot, message: &Message) -> Result<(), Error> {
    let mut text = message.text(MOST);
    if !text.contains(&robot.keyword) {
        text = format!("{text}\n{}", robot.keyword);
    }
    let mut body = json!({ "msg_type": "text", "content": { "text": text } });
    if let (Some(secret), Some(fields)) = (&robot.secret, body.as_object_mut()) {
        let seconds = post.now().as_second();
        let sign = signature::feishu(secret.expose_secret(), seconds);
        fields.insert("timestamp".to_owned(), seconds.to_string().into());
        fields.insert("sign".to_owned(), sign.into());
    }
    let (url, body) = (robot.address.expose().clone(), (body.to_string(), Repeat::Twice));
    let reply = post.json(&robot.address, url, &[], body).await?;
    reply.accepted(&["code", "StatusCode"], "msg")
}
