//! Faults of the WeChat API: error codes, and replies that are none.

mod broken;
mod codes;
mod lies;

use super::check::check_all;

/// A fault of a call; of room 2's where the call is about one room.
fn api(call: &str, times: &str, then: &str) -> [String; 1] {
    let room = if call == "replays" { "room = 2\n" } else { "" };
    [format!("on = \"api\"\ncall = \"{call}\"\n{room}times = {times}\nthen = {then}")]
}

const ALWAYS: &str = "\"always\"";

/// Minutes until a room is asked again of which there may be more.
const A_DAY: i64 = 21 * 60;

#[test]
fn replies_that_are_no_answers_are_asked_for_again_and_told_when_they_last() {
    check_all([broken::rows(), lies::rows()].into_iter().flatten().collect());
}
