//! Reading the playlist of a whole; that of the best variant that can be had where there is a choice.

use std::sync::Arc;

use bytes::Bytes;

use super::Context;
use super::attempts::begun_again;
use super::failure::Failure;
use super::source::Source;
use crate::media::hls::{Base, HlsError, MAX_BYTES, MediaPlaylist, Playlist, Variant};
use crate::media::source::Small;
use crate::stage::playlists::Room;

/// A playlist that was read.
pub(super) struct Read {
    /// As received.
    pub original: Bytes,
    /// What it says.
    pub playlist: MediaPlaylist,
    pub scheme: String,
    /// The memory that it takes.
    pub room: Room,
}

/// What a playlist that was asked for is.
enum Found {
    Media(Read),
    Choice(Vec<Variant>),
}

impl Found {
    /// Reads what came, once there is memory for it.
    async fn of(context: &Context, small: Small, base: Base<'_>) -> Result<Self, Failure> {
        let room = context.playlists.room(Playlist::cost(&small.bytes, base)).await;
        Ok(match Playlist::parse_from(&small.bytes, base)? {
            Playlist::Master(variants) => Self::Choice(variants),
            Playlist::Media(playlist) => {
                Self::Media(Read { original: small.bytes, playlist, scheme: small.scheme, room })
            }
        })
    }
}

/// The playlist of a whole.
///
/// A variant that its host does not have, or that cannot be archived, gives way to the next. One whose
/// host fails gives way to its copies alone in the first run that tries (`is_first`): a night's fault
/// is no reason to keep less for ever.
///
/// # Errors
/// When none can be had: why the best of those cannot that a later run may still find.
pub(super) async fn read(
    context: &Arc<Context>,
    source: &Source,
    is_first: bool,
) -> Result<Read, Failure> {
    let once = |_| async {
        let small = source.small(MAX_BYTES as u64).await?;
        let (at, listed) = (small.url.clone(), source.url());
        Found::of(context, small, Base::new(&at, &listed)).await
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
            Ok(read) => {
                note_choice(variant, lost);
                return Ok(read);
            }
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

/// That a better variant could not be had is no failure where another could.
fn note_choice(chosen: &Variant, lost: Option<(&Variant, Failure)>) {
    let Some((better, failure)) = lost else { return };
    tracing::info!(
        variant.path = chosen.link.listed().path(),
        better.path = better.link.listed().path(),
        reason = %failure,
        "a better variant of a broadcast could not be had, and the next is taken"
    );
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
        match Found::of(context, small, variant.link.base(&at)).await? {
            Found::Media(read) => Ok(read),
            Found::Choice(_) => Err(HlsError::NoVariant.into()),
        }
    };
    begun_again(context, "reading a playlist", once).await
}
