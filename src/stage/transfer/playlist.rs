//! Reads the playlist of a whole. If there are several variants, reads the best one available.

use std::sync::Arc;

use bytes::Bytes;

use super::Context;
use super::attempts::begun_again;
use super::failure::Failure;
use super::source::Source;
use crate::media::hls::{Base, HlsError, MAX_BYTES, MediaPlaylist, Playlist, Variant};
use crate::media::source::Small;
use crate::model::Reason;
use crate::schedule::{Budget, BudgetPermit};

/// A playlist that was read.
pub(super) struct Read {
    /// The bytes as received.
    pub original: Bytes,
    /// The parsed playlist.
    pub playlist: MediaPlaylist,
    pub scheme: String,
    /// The permit for its memory.
    pub room: BudgetPermit,
    /// Why it is not the best variant's, if it is not.
    pub note: Option<String>,
}

/// The kind of a playlist that was fetched.
enum Found {
    Media(Read),
    Choice(Vec<Variant>),
}

impl Found {
    /// Parses what was received, once there is memory for it.
    async fn of(memory: &Budget, small: Small, base: Base<'_>) -> Result<Self, Failure> {
        let room = memory.take(Playlist::cost(&small.bytes, base) as u64).await;
        Ok(match Playlist::parse_from(&small.bytes, base)? {
            Playlist::Master(variants) => Self::Choice(variants),
            Playlist::Media(playlist) => {
                let (original, scheme) = (small.bytes, small.scheme);
                Self::Media(Read { original, playlist, scheme, room, note: None })
            }
        })
    }
}

/// Reads the playlist of a whole.
///
/// If the host does not have a variant, or it cannot be archived, the next one is used. If a variant's
/// host fails, the first run that tries (`is_first`) uses only copies of the same variant: one night's
/// failure is no reason to keep a worse one for ever.
///
/// # Errors
/// When no variant can be read: the failure of the best one that a later run may still read.
pub(super) async fn read(
    context: &Arc<Context>,
    source: &Source,
    is_first: bool,
) -> Result<Read, Failure> {
    let once = |_| async {
        let small = source.small(MAX_BYTES as u64).await?;
        let (at, listed) = (small.url.clone(), source.url());
        Found::of(&context.playlists, small, Base::new(&at, &listed)).await
    };
    let variants = match begun_again(context, "reading a playlist", once).await? {
        Found::Media(read) => return Ok(read),
        Found::Choice(variants) => variants,
    };
    let mut lost: Option<(&Variant, Failure)> = None;
    for variant in &variants {
        let is_waited_for = |(lost, failure): &(&Variant, Failure)| {
            is_first && failure.may_pass() && !variant.is_as_good_as(lost)
        };
        if lost.as_ref().is_some_and(is_waited_for) {
            break;
        }
        let failure = match read_variant(context, source, variant).await {
            Ok(read) => return Ok(Read { note: note_choice(variant, lost), ..read }),
            Err(failure) if failure.is_about_the_file() => failure,
            Err(failure) => return Err(failure),
        };
        let is_hopeful =
            |(_, before): &(&Variant, Failure)| before.may_pass() || !failure.may_pass();
        if !lost.as_ref().is_some_and(is_hopeful) {
            lost = Some((variant, failure));
        }
    }
    Err(lost.map_or_else(|| HlsError::NoVariant.into(), |(_, failure)| failure))
}

/// The note for the manifest that a better variant could not be read, which is not a failure. `None` if
/// the chosen one is an equally good copy.
fn note_choice(chosen: &Variant, lost: Option<(&Variant, Failure)>) -> Option<String> {
    let (better, failure) = lost?;
    let of = |variant: &Variant| {
        let listed = variant.link.listed();
        format!("{} ({})", listed.path(), variant.quality_told())
    };
    // The note already contains the path.
    let url = format!("{}: ", better.link.url.without_query());
    let reason = Reason::of(&failure).message.replacen(&url, "", 1);
    let (chosen_told, better_told) = (of(chosen), of(better));
    tracing::info!(
        variant = chosen_told,
        variant.better = better_told,
        reason,
        "failed to read a better variant of a broadcast; using the next one"
    );
    (!chosen.is_as_good_as(better)).then(|| {
        format!("failed to fetch a better variant, {better_told}: {reason}; this is {chosen_told}")
    })
}

async fn read_variant(
    context: &Arc<Context>,
    master: &Source,
    variant: &Variant,
) -> Result<Read, Failure> {
    let source = Source::of_chunk(context, variant.link.url.clone(), master.job());
    let once = |_| async {
        let small = source.small(MAX_BYTES as u64).await?;
        let at = small.url.clone();
        match Found::of(&context.playlists, small, variant.link.base(&at)).await? {
            Found::Media(read) => Ok(read),
            Found::Choice(_) => Err(HlsError::NoVariant.into()),
        }
    };
    begun_again(context, "reading a playlist", once).await
}
