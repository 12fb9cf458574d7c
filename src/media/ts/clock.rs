//! Presentation times: 33 bits at 90 kHz, which wrap around after 26.5 hours.

/// Where the count wraps around.
const WRAP: i64 = 1 << 33;

/// The PTS of a frame whose payload begins like this; `Err` if no frame does.
pub(super) fn pts(payload: &[u8]) -> Result<Option<i64>, ()> {
    // A packet with almost nothing but padding may cut the header off.
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

/// By how much one time is later than another, across a wrap in either direction.
pub(super) fn later(time: i64, than: i64) -> i64 {
    let ahead = (time - than).rem_euclid(WRAP);
    if ahead >= WRAP / 2 { ahead - WRAP } else { ahead }
}

/// The times of one stream, in units of 90 kHz since its first one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    /// The last time as written, and since the first one.
    last: Option<(i64, i64)>,
    least: i64,
    most: i64,
    /// The longest step between frames: the last frame may last as long.
    step: i64,
    /// The duration before the clock restarted.
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

    /// Restarts the clock.
    pub fn restart(&mut self) {
        if self.last.is_some() {
            let (before, step, frames) = (self.low() + self.step, self.step, self.frames);
            *self = Self { before, step, frames, has_restarted: true, ..Self::default() };
        }
    }

    /// Whether the clock restarted between two frames: the duration is a guess then.
    pub fn has_restarted(&self) -> bool {
        self.has_restarted
    }

    /// The frames so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// The duration from the first frame to the last.
    pub fn low(&self) -> i64 {
        self.before + self.most - self.least
    }

    /// The same including the last frame, at most.
    pub fn high(&self) -> i64 {
        self.low() + self.step
    }

    /// The time reached, in milliseconds.
    pub fn now_ms(&self) -> Option<u64> {
        let (_, at) = self.last?;
        Some(millis(self.before + at - self.least))
    }
}

/// Units of 90 kHz as milliseconds.
pub(super) fn millis(ticks: i64) -> u64 {
    u64::try_from(ticks / 90).unwrap_or(0)
}
