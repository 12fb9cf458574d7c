//! An HTTP server that knows Standard Webhooks: JSON, with an id by which it knows a message again.

use secrecy::ExposeSecret as _;

use super::post::{Post, Repeat};
use super::{Error, Parcel, signature};
use crate::config::Robot;

/// Posts to a webhook, signed if it has a secret.
pub async fn send(post: &Post, robot: &Robot, parcel: &Parcel) -> Result<(), Error> {
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
