//! `ack`: records who knows of the losses of a room, and why they are accepted.

use clap::Args;
use serde_json::json;

use super::figures::counted;
use super::stop::Stop;
use super::{Common, Exit, output, revising};
use crate::model::RoomId;
use crate::pipeline::ack::{Acknowledged, Said, acknowledge};
use crate::stage::seal;

/// Flags of `ack`.
#[derive(Debug, Args)]
pub struct AckArguments {
    /// The room whose losses are acknowledged.
    #[arg(long, value_name = "NUMBER")]
    room: RoomId,
    /// Who acknowledges them.
    #[arg(long, value_name = "NAME", value_parser = text)]
    by: String,
    /// Why they are accepted. Both are published in the room's manifest.
    #[arg(long, value_name = "REASON", value_parser = text)]
    because: String,
}

/// Text that says something, and not too much.
fn text(text: &str) -> Result<String, String> {
    const MOST: usize = 500;
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text if text.len() > MOST => Err(format!("it has more than {MOST} bytes")),
        text => Ok(text.to_owned()),
    }
}

pub(super) async fn run(
    common: &Common,
    arguments: &AckArguments,
    stop: &Stop,
) -> anyhow::Result<Exit> {
    let (room, said) = (arguments.room, Said { by: &arguments.by, because: &arguments.because });
    let opened = revising::open(revising::config(common)?);
    let mut revising = stop.unless("the ledger and the bucket", opened).await?;
    revising.setup.note_new_ledger();
    stop.unless("the account of the room", revising.keep_account_of(room)).await?;
    stop.unless("the bucket", revising.find_guard()).await?;
    let (context, Some(appid)) = (&revising.setup.context, revising.accounts.first()) else {
        return Ok(Exit::CouldNotRun);
    };
    let found = acknowledge(context, appid, room, said).await?;
    let recordings = match found {
        Acknowledged::Now(recordings) => {
            seal::publish_catalog(context.records(), appid).await?;
            recordings
        }
        Acknowledged::Nothing => {
            // An earlier `ack` may have been killed before it came to this.
            seal::publish_catalog(context.records(), appid).await?;
            Vec::new()
        }
        Acknowledged::NotArchived => anyhow::bail!(
            "room {room} has no manifest in force\nhint: `run` seals what is due; `status --room {room}` shows it [RA805]"
        ),
        Acknowledged::Busy => {
            output::note(format_args!("another run is processing room {room}: try again later"));
            return Ok(Exit::Left);
        }
    };
    if common.json {
        output::json(&json!({
            "type": "summary", "appid": appid, "room_id": room, "acknowledged": recordings,
        }));
    } else if recordings.is_empty() {
        output::line(format_args!("room {room}: nothing is lost that was not acknowledged before"));
    } else {
        let lost = counted(recordings.len(), "lost recording");
        output::line(format_args!("room {room}: acknowledged {lost}: {}", recordings.join(", ")));
    }
    Ok(Exit::Done)
}
