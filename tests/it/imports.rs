//! The invariants of `lib.rs` that the sources show: who may use whom, who waits, who decides how much is
//! done at once. A rule is broken on purpose only where it is said here, with the reason.

mod paths;

use std::collections::BTreeSet;

use paths::{File, sources};

/// A stage that uses another, and why it may.
const STAGE_USES_STAGE: &[(&str, &str, &str)] = &[
    ("audit", "decode", "the segments that a decoder plays are those that an audit found whole"),
    (
        "audit",
        "verify",
        "an audit holds all objects of a room against its manifest, as verify does",
    ),
];

/// What waits for time to pass.
const WAITING: &[&str] = &[
    "tokio::time::interval",
    "tokio::time::interval_at",
    "tokio::time::sleep",
    "tokio::time::sleep_until",
    "tokio::time::timeout",
    "tokio::time::timeout_at",
    "thread::sleep",
    "park_timeout",
    "recv_timeout",
    "wait_timeout",
];

/// A file beside `clock` that waits, and why it may.
const WAITS: &[(&str, &str)] = &[
    ("cli/progress.rs", "the line is drawn by a thread that no stalled run can hold up"),
    ("cli/stderr.rs", "a reader that stalls is noticed by a thread of its own"),
    ("sandbox/clock.rs", "the sandbox shares nothing with the pipeline"),
];

/// What runs things at the same time, or says how many at most.
const CONCURRENCY: &[&str] = &[
    "FuturesOrdered",
    "FuturesUnordered",
    "JoinSet",
    "Semaphore",
    "buffer_unordered",
    "buffered",
    "for_each_concurrent",
    "join_all",
    "select_all",
    "spawn_blocking",
    "tokio::join",
    "tokio::spawn",
    "tokio::try_join",
    "try_buffered",
    "try_buffer_unordered",
    "try_for_each_concurrent",
    "try_join_all",
];

/// A file beside `pipeline` and `schedule` that does several things at once, and why it does still.
const CONCURRENT: &[(&str, &str)] = &[
    ("cli/reading.rs", "a room is looked for in several accounts before any pipeline runs"),
    (
        "notify/mod.rs",
        "channels are told at once, so that none waits for another; nothing is transferred meanwhile",
    ),
    ("stage/decode/door.rs", "a decoder asks for ranges on several connections"),
    (
        "stage/decode/mod.rs",
        "segments are decoded several at once; nothing is transferred meanwhile",
    ),
    ("stage/decode/probe.rs", "what a child process says is read while it runs"),
    ("stage/seal/images.rs", "until the scheduler grants the memory of pictures"),
    (
        "stage/stitch/making.rs",
        "the store copies several parts at once; nothing is transferred meanwhile",
    ),
    ("stage/transfer/gather.rs", "until the scheduler grants the chunks of a whole"),
    ("stage/transfer/hashing.rs", "bytes are hashed beside the runtime's threads"),
    ("stage/transfer/parts.rs", "until the scheduler grants the parts of a file"),
    ("stage/transfer/sending.rs", "parts are uploaded while others are hashed"),
    ("stage/verify.rs", "objects are looked at several at once; nothing is transferred meanwhile"),
    (
        "stage/verify/reading.rs",
        "one large object is held at a time; nothing is transferred meanwhile",
    ),
    ("child.rs", "both outputs of a child process are read while it runs"),
];

#[test]
fn a_module_uses_none_that_is_declared_below_it() {
    let order = paths::declared("lib.rs");
    let place = |module: &str| order.iter().position(|known| known == module);
    let mut wrong = Vec::new();
    for file in sources() {
        let own = place(&file.module[0]);
        let below = file.uses.iter().filter(|path| place(&path[0]) > own);
        wrong.extend(below.map(|path| format!("{} uses {}", file.name, path.join("::"))));
    }
    assert!(wrong.is_empty(), "a module uses one below it in lib.rs:\n{}", wrong.join("\n"));
}

#[test]
fn no_stage_imports_another() {
    // What stages share is private to them, or above them.
    let stages = paths::declared("stage/mod.rs");
    let stage = |path: &[String]| match path {
        [room, stage, ..] if room == "stage" && stages.contains(stage) => Some(stage.clone()),
        _ => None,
    };
    let mut found = BTreeSet::new();
    for file in sources() {
        let Some(own) = stage(&file.module) else { continue };
        let others = file.uses.iter().filter_map(|path| stage(path));
        found.extend(others.filter(|other| *other != own).map(|other| (own.clone(), other)));
    }
    let known = STAGE_USES_STAGE.iter().map(|(own, other, _)| (own.to_string(), other.to_string()));
    assert_eq!(found, known.collect(), "left: what is imported; right: what may be");
}

#[test]
fn reading_the_archive_needs_the_store_alone() {
    uses_only("archive", &["model", "store"]);
}

#[test]
fn what_a_player_needs_is_in_the_manifest_and_the_bucket() {
    uses_only("playback", &["model", "store"]);
}

#[test]
fn the_server_knows_neither_pipeline_nor_ledger_nor_wechat() {
    uses_only("serve", &["archive", "clock", "metrics", "model", "pace", "playback", "store"]);
}

#[test]
fn stitching_knows_files_and_no_archive() {
    uses_only("stitch", &["media", "model"]);
}

#[test]
fn telling_knows_neither_wechat_nor_the_bucket() {
    uses_only(
        "notify",
        &[
            "child", "clock", "config", "ledger", "metrics", "model", "pipeline", "progress",
            "retry",
        ],
    );
}

#[test]
fn the_sandbox_uses_nothing_of_the_pipelines() {
    uses_only("sandbox", &[]);
}

/// Fails if a module uses any other than these.
fn uses_only(module: &str, others: &[&str]) {
    let is_outside = |used: &String| used != module && !others.contains(&used.as_str());
    let outside = |file: &File| -> Vec<String> {
        let used = file.uses.iter().filter(|path| is_outside(&path[0]));
        used.map(|path| format!("{} uses {}", file.name, path.join("::"))).collect()
    };
    let of_module = |file: &File| file.module[0] == module;
    let wrong: Vec<_> = sources().filter(of_module).flat_map(|file| outside(&file)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_but_the_clock_waits_for_time() {
    only(&["clock"], WAITING, WAITS);
}

#[test]
fn nothing_but_the_pipeline_and_the_scheduler_decides_concurrency() {
    // The sandbox is servers, and `serve` another.
    only(&["pipeline", "sandbox", "schedule", "serve"], CONCURRENCY, CONCURRENT);
}

/// Nothing but some modules says any of these words, and the files that may; each of them does.
fn only(modules: &[&str], words: &[&str], may: &[(&str, &str)]) {
    let elsewhere = sources().filter(|file| !modules.contains(&file.module[0].as_str()));
    let found: BTreeSet<String> =
        elsewhere.filter(|file| words.iter().any(|w| file.says(w))).map(|file| file.name).collect();
    let may: BTreeSet<String> = may.iter().map(|(name, _)| (*name).to_owned()).collect();
    let (new, gone): (Vec<_>, Vec<_>) =
        (found.difference(&may).collect(), may.difference(&found).collect());
    assert!(new.is_empty(), "this is for {modules:?} to decide, not for {new:?}");
    assert!(gone.is_empty(), "these do so no more: take them out of the list: {gone:?}");
}
