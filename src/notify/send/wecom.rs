//! A robot of a WeCom group (企业微信 消息推送): markdown of at most 4096 bytes.

use serde_json::json;

use super::Error;
use super::post::{Post, Repeat};
use crate::config::Robot;
use crate::model::text::capped;
use crate::notify::message::Message;

/// The most bytes of its markdown.
const MOST: usize = 4096;

/// Posts to a robot of WeCom.
pub async fn send(post: &Post, robot: &Robot, message: &Message) -> Result<(), Error> {
    let title = format!("**{}**\n", capped(&message.title, 300));
    let content = format!("{title}{}", message.fitting(MOST - title.len(), "\n"));
    let body = json!({ "msgtype": "markdown", "markdown": { "content": content } }).to_string();
    let url = robot.address.expose().clone();
    let reply = post.json(&robot.address, url, &[], (body, Repeat::Twice)).await?;
    reply.accepted(&["errcode"], "errmsg")
}
