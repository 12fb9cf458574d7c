//! An HTTP server that knows Standard Webhooks: JSON, with an id by which it knows a message again.

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::post::{Post, Repeat};
use super::{Error, Parcel, signature};
use crate::config::Robot;

/// Posts to a webhook, signed if it has a secret. One that finds the message too large gets its text alone.
pub async fn send(post: &Post, robot: &Robot, parcel: &Parcel) -> Result<(), Error> {
    const TOO_LARGE: u16 = 413;
    match send_once(post, robot, parcel).await {
        Err(Error::Status { status: TOO_LARGE, .. }) if !parcel.data.is_null() => {
            let text = Parcel { data: Value::Null, ..parcel.clone() };
            send_once(post, robot, &text).await
        }
        sent => sent,
    }
}

async fn send_once(post: &Post, robot: &Robot, parcel: &Parcel) -> Result<(), Error> {
    let (body, seconds) = (parcel.json().to_string(), post.now().as_second());
    let mut headers =
        vec![("webhook-id", parcel.id.clone()), ("webhook-timestamp", seconds.to_string())];
    if let Some(secret) = &robot.secret {
        let signed = signature::webhook(secret.expose_secret(), &parcel.id, seconds, &body);
        headers.push(("webhook-signature", signed.ok_or(Error::Secret)?));
    }
    let url = robot.address.expose().clone();
    post.json(&robot.address, url, &headers, (body, Repeat::Known)).await?.success()?;
    Ok(())
}
