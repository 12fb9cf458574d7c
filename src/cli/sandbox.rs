//! `sandbox`: the sandbox WeChat, its media host and an S3 store, alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::output;
use super::stop::Stop;
use super::{Exit, demo};
use crate::sandbox::scenario::Scenario;
use crate::sandbox::{EmbeddedStore, Listen, Sandbox};

/// How many accounts are named at the start.
const ACCOUNTS_SHOWN: usize = 20;

/// Flags of `sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArguments {
    /// The scenario file (see docs/sandbox.md). Without it, the scenario of `demo` is used.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// The address to listen on. Anyone who can reach it can change the sandbox.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// The port of the WeChat API.
    #[arg(long, value_name = "PORT", default_value_t = 8600)]
    api_port: u16,
    /// The port of the media host.
    #[arg(long, value_name = "PORT", default_value_t = 8601)]
    vod_port: u16,
    /// The port of the S3 store.
    #[arg(long, value_name = "PORT", default_value_t = 8602)]
    store_port: u16,
    /// Where the store keeps its objects. Without it, no store is started.
    #[arg(long, value_name = "FOLDER")]
    store: Option<PathBuf>,
}

pub(super) async fn run(arguments: &SandboxArguments, stop: &Stop) -> anyhow::Result<Exit> {
    let scenario = match &arguments.scenario {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("failed to read {}", path.display()))?;
            Scenario::parse(&text).with_context(|| path.display().to_string())?
        }
        None => Scenario::demo()?,
    };
    let at = |port: u16| SocketAddr::new(arguments.address, port);
    let listen = Listen { api: at(arguments.api_port), vod: at(arguments.vod_port) };
    let accounts = scenario.accounts.clone();
    let sandbox = Sandbox::start(scenario, listen).await?;
    let store = match &arguments.store {
        Some(root) => Some(demo::start_store(root, at(arguments.store_port)).await?),
        None => None,
    };
    output::line(format_args!("WeChat API   http://{}", sandbox.api_addr()));
    output::line(format_args!("media host   http://{}", sandbox.vod_addr()));
    if let Some(address) = store.as_ref().map(EmbeddedStore::addr) {
        output::line(format_args!(
            "S3 store     http://{address}  bucket {}, access key {}, secret key {}",
            demo::BUCKET,
            demo::ACCESS_KEY,
            demo::SECRET_KEY
        ));
    }
    for account in accounts.iter().take(ACCOUNTS_SHOWN) {
        output::line(format_args!("account      {}, secret {}", account.appid, account.secret));
    }
    if let Some(more) = accounts.len().checked_sub(ACCOUNTS_SHOWN).filter(|more| *more > 0) {
        output::line(format_args!("             and {more} more"));
    }
    output::line(format_args!(
        "drive it     curl -H 'X-Sandbox-Admin: 1' http://{}/sandbox/clock (see docs/sandbox.md)",
        sandbox.api_addr()
    ));
    output::line("running until interrupted");
    stop.token.cancelled().await;
    Ok(Exit::Done)
}
