//! What a row says of its night.

/// What a night has to come to. Room 2 is the one that a fault of the source is about; room 3 is its
/// neighbour, found in the same night; room 1 was archived in the night before.
#[derive(Debug, Clone, Copy)]
pub struct Expect {
    /// The exit code.
    pub exit: u8,
    /// The status in room 2's manifest; `""` when it has no manifest.
    pub status: &'static str,
    /// The states of its recordings.
    pub states: &'static [&'static str],
    /// The same of room 3.
    pub neighbour: &'static str,
    /// Words of what the person is told; `""` when they are told nothing at all. The manifest gives
    /// the same reason, where there is one.
    pub told: &'static str,
    /// How often: once, unless several recordings or rooms suffer.
    pub times: usize,
    /// Words of the hint; `""` when there must be none.
    pub hint: &'static str,
    /// How often the failure is logged: once where it is handled, unless nothing was begun.
    pub logged: usize,
    /// Lines at `warn` or `error`, besides one for each room that failed.
    pub loud: usize,
    /// The exit code of the next night, when the fault is over.
    pub healed: u8,
    /// The status and states of room 2 then.
    pub healed_status: &'static str,
    pub healed_states: &'static [&'static str],
}

/// The night saves everything, and nobody hears of it.
pub const SAVED: Expect = Expect {
    exit: 0,
    status: "complete",
    states: &["archived"],
    neighbour: "complete",
    told: "",
    times: 1,
    hint: "",
    logged: 0,
    loud: 0,
    healed: 0,
    healed_status: "complete",
    healed_states: &["archived"],
};

/// One recording cannot be had for now, for a reason; everything else is saved.
pub const fn failed(told: &'static str) -> Expect {
    Expect { exit: 3, status: "partial", states: &["failed"], told, logged: 1, ..SAVED }
}

/// As [`failed`], where what is offered is no recording.
pub const fn rejected(told: &'static str) -> Expect {
    Expect { states: &["rejected"], ..failed(told) }
}

/// The recording is lost.
pub const fn lost(told: &'static str) -> Expect {
    Expect {
        exit: 4,
        status: "lost",
        states: &["expired"],
        healed_status: "lost",
        healed_states: &["expired"],
        ..failed(told)
    }
}

/// Nothing can be done in this night.
pub const fn could_not_run(told: &'static str) -> Expect {
    Expect { exit: 1, status: "", neighbour: "", ..failed(told) }
}

/// Room 2 is not reached in this night, its neighbour is.
pub const fn left(told: &'static str) -> Expect {
    Expect { exit: 3, neighbour: "complete", ..could_not_run(told) }
}

/// As another, with a hint.
pub const fn hinted(expect: Expect, hint: &'static str) -> Expect {
    Expect { hint, ..expect }
}
