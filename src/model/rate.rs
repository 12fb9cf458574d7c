//! How fast bytes come.

use jiff::SignedDuration;

/// The name that stands for all hosts together.
pub const ALL_HOSTS: &str = "*";

/// Bytes per second; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// So many bytes in so long a time; `None` where nothing has come, or in no time.
    pub fn of(bytes: u64, time: SignedDuration) -> Option<Self> {
        let millis = u128::try_from(time.as_millis()).ok().filter(|millis| *millis > 0)?;
        let rate = u128::from(bytes) * 1000 / millis;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        (rate > 0).then_some(Self(rate))
    }

    /// Bytes per second.
    pub fn bytes_per_second(self) -> u64 {
        self.0
    }

    /// How many bytes come in so long a time.
    pub fn bytes_in(self, time: SignedDuration) -> u64 {
        let millis = u128::try_from(time.as_millis()).unwrap_or(0);
        u64::try_from(u128::from(self.0) * millis / 1000).unwrap_or(u64::MAX)
    }

    /// How long so many bytes take.
    pub fn time_for(self, bytes: u64) -> SignedDuration {
        let millis = u128::from(bytes) * 1000 / u128::from(self.0);
        SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// What was transferred in the time in which something was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// Bytes that have come.
    pub bytes: u64,
    /// Milliseconds in which at least one transfer was under way.
    pub busy_ms: u64,
}

impl Measured {
    /// The speed; `None` where nothing was measured.
    pub fn rate(self) -> Option<Rate> {
        Rate::of(self.bytes, SignedDuration::from_millis(i64::try_from(self.busy_ms).ok()?))
    }
}
