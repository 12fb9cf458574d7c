//! `serve`: the archive over HTTP, until interrupted.

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;

use super::stop::Stop;
use super::{Common, Exit, output, reading};
use crate::clock::Clock;
use crate::serve::{App, Listener};

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Where to listen, such as `127.0.0.1:8080`; port 0 picks a free one. Takes precedence over [serve]
    /// listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(
    common: &Common,
    arguments: &ServeArguments,
    stop: &Stop,
) -> anyhow::Result<Exit> {
    let opening = reading::open_serving(common, arguments.listen);
    let (store, accounts, settings) = stop.unless("the bucket", opening).await?;
    let listener = Listener::bind(settings.listen).await?;
    let address = match &settings.public_url {
        Some(url) => url.to_string(),
        None => format!("http://{}/", listener.address()),
    };
    let needs_token = settings.tokens.is_some();
    if settings.needs_https() {
        tracing::warn!(
            "nobody can log in at the page over plain http: the login cookie is for https alone\n\
             hint: put a proxy with a certificate in front, and set [serve] public_url to its https address [RA613]"
        );
    }
    let app = App::new(&store, accounts, settings, Clock::system());
    match common.json {
        true => output::json(&json!({
            "type": "serving",
            "url": address,
            "listen": listener.address(),
            "needs_token": needs_token,
        })),
        false => output::line(format_args!("serving {address} until interrupted")),
    }
    listener.serve(app, stop.token.clone()).await;
    Ok(Exit::Done)
}
