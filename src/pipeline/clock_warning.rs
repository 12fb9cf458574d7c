//! Warns of a clock that is wrong.

use crate::model::Reason;
use crate::stage::Context;

/// A warning that this machine's clock is wrong, and what was done about it; `None` if the clock is
/// right.
pub fn clock_warning(context: &Context) -> Option<Reason> {
    let correction = context.clock.correction();
    if correction.is_zero() {
        return None;
    }
    let way = if correction.is_positive() { "behind" } else { "ahead of" };
    let by = correction.abs().round(jiff::Unit::Minute).unwrap_or(correction.abs());
    Some(Reason::parse(&format!(
        "this machine's clock is {by:#} {way} WeChat's; WeChat's time is used\n\
         hint: set the clock, and keep it correct with NTP (`timedatectl set-ntp true`) [RA416]"
    )))
}
