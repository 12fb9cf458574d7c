//! Faults that last and concern a room.

use super::super::check::{Row, SMALL};
use super::super::expect::{Expect, SAVED, hinted, left};
use super::{ALWAYS, catalog, look, manifest, refuse, row, slow, sums, survey};

pub fn rows() -> Vec<Row> {
    let unsealed = |told| Expect { healed: 0, ..left(told) };
    let rights = "these credentials lack permission";
    vec![
        row(
            "412 at the manifest",
            SMALL,
            manifest,
            ALWAYS,
            refuse(412, "PreconditionFailed"),
            unsealed("412 PreconditionFailed"),
        ),
        row(
            "501 at the manifest",
            SMALL,
            manifest,
            ALWAYS,
            refuse(501, "NotImplemented"),
            unsealed("501 NotImplemented"),
        ),
        row(
            "503 at the manifest for ever",
            SMALL,
            manifest,
            ALWAYS,
            refuse(503, "SlowDown"),
            unsealed("503 SlowDown"),
        ),
        row(
            "denied at the sums",
            SMALL,
            sums,
            ALWAYS,
            refuse(403, "AccessDenied"),
            hinted(unsealed("403 AccessDenied"), rights),
        ),
        slow(row(
            "the place of the manifest cannot be looked at",
            SMALL,
            look,
            ALWAYS,
            refuse(500, "InternalError"),
            unsealed("500"),
        )),
        row(
            "denied at the listing",
            SMALL,
            survey,
            ALWAYS,
            refuse(403, "AccessDenied"),
            Expect { exit: 3, told: "403 AccessDenied", hint: rights, logged: 1, ..SAVED },
        ),
        row(
            "denied at the catalog",
            SMALL,
            catalog,
            ALWAYS,
            refuse(403, "AccessDenied"),
            Expect { exit: 3, told: "403 AccessDenied", hint: rights, logged: 1, ..SAVED },
        ),
    ]
}
