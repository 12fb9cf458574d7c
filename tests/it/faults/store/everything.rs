//! Faults that last and concern everything.

use jiff::SignedDuration;

use super::super::check::{Row, SMALL, acted};
use super::super::expect::{Expect, SAVED, could_not_run, hinted, left};
use super::{ALWAYS, any, refuse, row, write};
use crate::pipeline::world::World;
use crate::strict::Effect;

/// A clock that is wrong is made up for by the SDK.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    let none = |expect: Expect| Expect { logged: 0, ..expect };
    let skewed = |name: &str, ahead: i64| {
        let strike =
            move |world: &World| world.front.strict().skew(SignedDuration::from_mins(ahead));
        let heal = |world: &World| world.front.strict().skew(SignedDuration::ZERO);
        Row { heal: Box::new(heal), ..acted(name, SMALL, strike, SAVED) }
    };
    let unusable = "the bucket is not usable";
    vec![
        row(
            "a bucket that is not there",
            SMALL,
            any,
            ALWAYS,
            refuse(404, "NoSuchBucket"),
            none(hinted(could_not_run(unusable), "create the bucket")),
        ),
        row(
            "nothing is allowed",
            SMALL,
            any,
            ALWAYS,
            refuse(403, "AccessDenied"),
            none(hinted(could_not_run(unusable), "these credentials lack permission")),
        ),
        row(
            "a store that is not there",
            SMALL,
            any,
            ALWAYS,
            Effect::ResetBefore,
            none(hinted(could_not_run(unusable), "check the endpoint")),
        ),
        row(
            "503 for everything",
            SMALL,
            any,
            ALWAYS,
            refuse(503, "SlowDown"),
            none(could_not_run(unusable)),
        ),
        row(
            "read-only",
            SMALL,
            write,
            ALWAYS,
            refuse(403, "AccessDenied"),
            Expect {
                neighbour: "",
                // Once for both rooms, and once for the catalog.
                times: 2,
                logged: 5,
                ..hinted(left("403 AccessDenied"), "these credentials lack permission")
            },
        ),
        row(
            "a clock that is said to be wrong",
            SMALL,
            any,
            ALWAYS,
            refuse(403, "RequestTimeTooSkewed"),
            none(hinted(could_not_run("RequestTimeTooSkewed"), "set this machine's clock")),
        ),
        skewed("a clock that is a day behind", 24 * 60),
        skewed("a clock that is twenty minutes ahead", -20),
    ]
}
