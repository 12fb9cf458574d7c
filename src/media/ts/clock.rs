//! Presentation times: 33 bits of 90 kHz, which begin anew after 26.5 hours.

/// Where the count begins anew.
const WRAP: i64 = 1 << 33;

/// The PTS of a frame whose payload begins so; `Err` where no frame does.
pub(super) fn pts(payload: &[u8]) -> Result<Option<i64>, ()> {
    // The head may be cut off by a packet of next to nothing but padding.
    let start = [0, 0, 1];
    let look = payload.get(..3).unwrap_or(payload);
    if !start.starts_with(look) {
        return Err(());
    }
    let [0, 0, 1, id, _, _, _, flags, _, a, b, c, d, e, ..] = *payload else { return Ok(None) };
    // These have no times (section 2.4.3.7).
    let has_head = !matches!(id, 0xbc | 0xbe | 0xbf | 0xf0 | 0xf1 | 0xf2 | 0xf8 | 0xff);
    if !has_head || flags & 0x80 == 0 {
        return Ok(None);
    }
    let [a, b, c, d, e] = [a, b, c, d, e].map(i64::from);
    Ok(Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1))
}

/// By how much one time is later than another, whichever of them the count began anew between.
pub(super) fn later(time: i64, than: i64) -> i64 {
    let ahead = (time - than).rem_euclid(WRAP);
    if ahead >= WRAP / 2 { ahead - WRAP } else { ahead }
}

/// The times of one stream, in units of 90 kHz from its first one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    /// The last time as it was written, and from the first one.
    last: Option<(i64, i64)>,
    least: i64,
    most: i64,
    /// The longest step from one frame to the next: the last one may last for as long.
    step: i64,
    /// What lies before the clock began anew.
    before: i64,
    frames: u64,
    has_restarted: bool,
}

impl Span {
    /// Takes the time of the next frame.
    pub fn take(&mut self, pts: i64) {
        self.frames += 1;
        let now = match self.last {
            None => 0,
            Some((written, at)) => at.saturating_add(later(pts, written)),
        };
        if let Some((_, at)) = self.last {
            self.step = self.step.max((now - at).abs());
        }
        self.last = Some((pts, now));
        self.least = self.least.min(now);
        self.most = self.most.max(now);
    }

    /// The clock begins anew.
    pub fn restart(&mut self) {
        if self.last.is_some() {
            let (before, step, frames) = (self.low() + self.step, self.step, self.frames);
            *self = Self { before, step, frames, has_restarted: true, ..Self::default() };
        }
    }

    /// Whether the clock has begun anew between two frames: how long it plays is a guess then.
    pub fn has_restarted(&self) -> bool {
        self.has_restarted
    }

    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// From the first frame to the last.
    pub fn low(&self) -> i64 {
        self.before + self.most - self.least
    }

    /// The same with the last frame, at most.
    pub fn high(&self) -> i64 {
        self.low() + self.step
    }

    /// How far it has come, in milliseconds.
    pub fn now_ms(&self) -> Option<u64> {
        let (_, at) = self.last?;
        Some(millis(self.before + at - self.least))
    }
}

/// Units of 90 kHz as milliseconds.
pub(super) fn millis(ticks: i64) -> u64 {
    u64::try_from(ticks / 90).unwrap_or(0)
}
