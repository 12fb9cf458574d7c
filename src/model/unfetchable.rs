//! Recordings that were listed without a URL that can be fetched: which is which.

use super::{Recording, UnfetchableUrl};

/// What tells a recording that cannot be fetched from the others of its room: what is safe to keep of
/// what was listed, and when it was made. What signs it changes with each reply, and is not kept.
pub fn unfetchable_identity(listed: Option<&UnfetchableUrl>, created: Option<&str>) -> String {
    let listed = listed.map(UnfetchableUrl::as_str).unwrap_or_default();
    format!("{listed}\n{}", created.unwrap_or_default())
}

impl Recording {
    /// The one of `known` that this one, which cannot be fetched, is another word of. Earlier versions
    /// made identities from what they did not keep, and manifests that told only when it was made.
    pub fn known_as<'a>(
        &self,
        known: impl Iterator<Item = &'a Recording> + Clone,
    ) -> Option<&'a Recording> {
        let is_same = |known: &&Recording| {
            let created = (&known.create_time.raw, &self.create_time.raw);
            self.url.is_none() && known.url.is_none() && created.0 == created.1
        };
        let mut same = known.clone().filter(is_same);
        let exact = same.find(|known| known.unfetchable == self.unfetchable);
        exact.or_else(|| known.filter(is_same).find(|known| known.unfetchable.is_none()))
    }
}
