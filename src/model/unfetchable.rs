//! Identifies recordings that were listed without a usable URL.

use super::{Recording, UnfetchableUrl};

/// The identity of an unfetchable recording within its room: the storable part of its URL and its
/// creation time. The signature is left out because it changes with each reply.
pub fn unfetchable_identity(listed: Option<&UnfetchableUrl>, created: Option<&str>) -> String {
    let listed = listed.map(UnfetchableUrl::as_str).unwrap_or_default();
    format!("{listed}\n{}", created.unwrap_or_default())
}

impl Recording {
    /// The recording among `known` that this unfetchable one repeats. Earlier versions derived identities
    /// from text that they did not store, and their manifests contain only the creation time.
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
