//! The stages of a run, by name.

/// What a run does. All of it goes on at the same time, for different rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reads the room list.
    Discover,
    /// Compares what the ledger knows with the bucket: manifests, listings and, with `--force`, bytes.
    Check,
    /// Asks WeChat for the recordings of a room.
    Resolve,
    /// Brings recordings into the bucket.
    Transfer,
    /// Publishes manifests and catalogs.
    Seal,
    /// Has the store join segments to films.
    Stitch,
}

impl Stage {
    /// Every stage, in the order in which a room passes them.
    pub const ALL: [Self; 6] =
        [Self::Discover, Self::Check, Self::Resolve, Self::Transfer, Self::Seal, Self::Stitch];

    /// Its name, as in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Check => "check",
            Self::Resolve => "resolve",
            Self::Transfer => "transfer",
            Self::Seal => "seal",
            Self::Stitch => "stitch",
        }
    }
}
