//! Turning the pages of a listing.

use super::Error;
use super::error::Site;

/// Where a listing goes on; `M` is what the store calls that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next<M> {
    Start,
    After(M),
    End,
}

impl<M: PartialEq> Next<M> {
    /// Moves on behind a page, as the store said of it: whether there is more, and where.
    ///
    /// # Errors
    /// When there is more but not where, or only where the page came from: going on would ask for
    /// the same page for ever, and stopping would hide what is left. Nothing is moved then.
    pub(super) fn turn(
        &mut self,
        site: Site,
        is_truncated: Option<bool>,
        after: Option<M>,
    ) -> Result<(), Error> {
        let next = after.map_or(Self::End, Self::After);
        if is_truncated != Some(true) {
            *self = Self::End;
        } else if next == Self::End || next == *self {
            let detail = "there is more, but not where".to_owned();
            return Err(Error::Unreadable { site, detail });
        } else {
            *self = next;
        }
        Ok(())
    }
}
