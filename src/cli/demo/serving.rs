//! `demo --serve`: the demonstration's archive in a browser.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{Account, environment};
use crate::cli::output;
use crate::clock::Clock;
use crate::config::{self, Serving, Sources};
use crate::serve::{Accounts, App, Listener};
use crate::store::Store;

/// Serves the archive until `stop`.
pub(super) async fn serve(
    config: &Path,
    accounts: &[Account],
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let sources = Sources {
        file: config.to_owned(),
        environment: environment(accounts),
        accounts: Vec::new(),
    };
    let Serving { reading, settings } = config::load_serving(&sources, None)?;
    let store = Store::connect(reading.store).await?;
    let appids = reading.configured.map(|configured| configured.appids).unwrap_or_default();
    let listener = match Listener::bind(settings.listen).await {
        Ok(listener) => listener,
        // Another program has the usual port.
        Err(_) => Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?,
    };
    output::line(format_args!(
        "\nopen http://{}/ in a browser; Ctrl-C ends the demonstration",
        listener.address()
    ));
    let accounts = Accounts::Fixed(BTreeSet::from_iter(appids));
    listener.serve(App::new(&store, accounts, settings, Clock::system()), stop).await;
    Ok(())
}
