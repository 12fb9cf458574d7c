//! With `--json` every command that fails says why in the last object of its output.

use serde_json::json;

use super::program::{Place, ended};

/// A command, what is replaced by what in the configuration, and the code, kind and words of the error.
type Case = (&'static [&'static str], &'static str, &'static str, u8, &'static str, &'static str);

#[tokio::test]
async fn a_fatal_error_is_the_last_object_of_the_output() {
    let place = Place::start("").await;
    let good = place.configuration();
    let table: [Case; 9] = [
        (&["run"], "bucket = \"replays\"", "bucket = 7", 2, "configuration", "[store] bucket"),
        (&["config", "show"], "bucket = \"replays\"", "bucket ＝ 7", 2, "configuration", "＝"),
        (&["status"], "sqlite:", "mysql:", 2, "configuration", "[ledger] url"),
        (
            &["run"],
            "ledger.sqlite",
            "no/folder/ledger.sqlite",
            1,
            "ledger",
            "failed to open the ledger",
        ),
        (
            &["backfill", "--all"],
            "access_key = \"access\"",
            "access_key = \"nobody\"",
            1,
            "store",
            "bucket",
        ),
        (&["status", "--room", "77"], "", "", 1, "other", "has no room 77"),
        (&["run", "--account", "wx9"], "", "", 2, "usage", "wx9 is not configured"),
        (
            &["backfill", "--from", "2026-02-01", "--to", "2026-01-01"],
            "",
            "",
            2,
            "usage",
            "later than",
        ),
        (&["run", "--config", "nowhere.toml"], "", "", 2, "configuration", "nowhere.toml"),
    ];
    for (command, old, new, code, kind, part) in table {
        place.configure(&good.replacen(old, new, 1));
        let ran = place.run(&[command, &["--json"]].concat()).await;
        assert_eq!(ran.code, i32::from(code), "{ran:?}");
        let last = ran.lines().pop().unwrap_or_else(|| panic!("{command:?}: {ran:?}"));
        assert_eq!(
            (&last["type"], &last["code"], &last["kind"]),
            (&json!("error"), &json!(code), &json!(kind)),
            "{ran:?}"
        );
        assert!(last["message"].as_str().unwrap().contains(part), "{part}: {last}");
        let hints = last["hints"].as_array().unwrap();
        let is_coded = |hint: &str| hint.contains(" [RA") && hint.ends_with(']');
        assert!(hints.iter().all(|hint| hint.as_str().is_some_and(is_coded)), "{last}");
        // People read the same on stderr.
        assert!(ran.err.contains("error: ") && ran.err.contains(part), "{ran:?}");
    }
}

#[tokio::test]
async fn so_are_flags_that_cannot_be_read() {
    let place = Place::start("").await;
    for (command, part) in [
        (&["--json", "walk"][..], "walk"),
        (&["--json", "run", "--dryrun"], "--dryrun"),
        (&["playlist", "--json"], "--room"),
        (&["backfill", "--json"], "--room"),
        (&["run", "--max-runtime", "soon", "--json"], "soon"),
        (&["--json"], "no command given"),
    ] {
        let ran = ended(place.command(command).spawn().unwrap()).await;
        assert_eq!(ran.code, 2, "{ran:?}");
        let last = ran.lines().pop().unwrap_or_else(|| panic!("{command:?}: {ran:?}"));
        assert_eq!((&last["code"], &last["kind"]), (&json!(2), &json!("usage")), "{ran:?}");
        assert!(last["message"].as_str().unwrap().contains(part), "{part}: {last}");
    }
    let plain = place.run(&["run", "--dryrun"]).await;
    assert_eq!((plain.code, plain.out.as_str()), (2, ""), "{plain:?}");
    let help = place.run(&["run", "--help", "--json"]).await;
    assert!(help.code == 0 && help.out.contains("--dry-run"), "{help:?}");
}
