//! Accounts from a folder, from the ledger and from a third-party platform.

use serde_json::json;

use super::program::{APP_SECRET, Place, ROOMS};

const ACCOUNT: &str = "[[account]]\nappid = \"wx1\"\ntoken = { secret_env = \"APP_SECRET\" }\n";

/// A place whose configuration has no `[[account]]`, but `more`.
async fn place(scenario: &str, more: &str) -> Place {
    let place = Place::start(scenario).await;
    let others = place.configuration().replace(ACCOUNT, "");
    assert!(!others.contains("wx1"));
    place.configure(&format!("{others}{more}"));
    place
}

#[tokio::test]
async fn a_file_of_the_folder_that_is_wrong_stops_only_its_own_accounts() {
    let place = place(ROOMS, "[accounts]\nfolder = \"accounts.d\"\n").await;
    let none = place.run(&["run"]).await;
    assert_eq!(none.code, 2);
    assert!(none.err.contains("[accounts] folder: failed to read the folder"), "{}", none.err);
    let folder = place.folder.path().join("accounts.d");
    std::fs::create_dir(&folder).unwrap();
    let none = place.run(&["run"]).await;
    assert!(none.code == 2 && none.err.contains("no account is configured"), "{none:?}");
    std::fs::write(folder.join("a.toml"), ACCOUNT).unwrap();
    std::fs::write(folder.join("notes.txt"), "not TOML").unwrap();
    place.good(&["run"]).await;
    assert!(place.bucket().has_manifest(1));

    let wrong = "[[account]]\nappid = \"wx2\"\n\n[[account]]\nappid = \"wx3\"\ndaily = 4\n";
    std::fs::write(folder.join("b.toml"), wrong).unwrap();
    std::fs::write(folder.join("c.toml"), ACCOUNT).unwrap();
    std::fs::write(folder.join("d.toml"), ACCOUNT.replace("wx1", "wx4").replace("APP_", "NO_"))
        .unwrap();
    let ran = place.run(&["run", "--json"]).await;
    assert_eq!((ran.code, &ran.summary()["outcome"]), (3, &json!("left")), "{ran:?}");
    let ran = place.run(&["run"]).await;
    for told in [
        "accounts.d/b.toml, line 6",
        "accounts.d/c.toml, line 2: [[account]] appid: wx1 is configured twice",
        "NO_SECRET is not set",
        "the accounts of this file are left out",
    ] {
        assert!(ran.err.contains(told), "{told}: {}", ran.err);
    }
    let listed = place.run(&["accounts", "list", "--json"]).await;
    assert_eq!((listed.code, listed.lines().len()), (3, 2), "{listed:?}");
    assert!(listed.lines()[0]["origin"].as_str().unwrap().ends_with("accounts.d/a.toml"));
}

#[tokio::test]
async fn an_account_of_the_ledger_is_added_disabled_and_enabled_without_a_secret_in_it() {
    let place = place(ROOMS, "[accounts]\nledger = true\n").await;
    let none = place.run(&["run"]).await;
    assert!(none.code == 2 && none.err.contains("`accounts add`"), "{none:?}");
    place
        .good(&["accounts", "add", "wx1", "--secret-env", "APP_SECRET", "--daily-limit", "400"])
        .await;
    place.good(&["run"]).await;
    assert!(place.bucket().has_manifest(1));
    let checked = place.run(&["doctor", "--account", "wx1"]).await;
    assert!(checked.out.contains("wx1 token") && checked.code == 0, "{checked:?}");
    let mistyped = place.run(&["doctor", "--account", "wx7"]).await;
    assert!(mistyped.code == 2 && mistyped.err.contains("wx7"), "{mistyped:?}");
    let plan = place.good(&["plan"]).await;
    assert!(plan.out.contains("of 400") || plan.out.contains("of 100000"), "{}", plan.out);
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger.sqlite") {
            assert!(!crate::bucket::holds(&std::fs::read(&path).unwrap(), APP_SECRET));
        }
    }
    place.good(&["accounts", "disable", "wx1"]).await;
    assert_eq!(place.run(&["run"]).await.code, 2, "nothing is left to do it for");
    let list = place.good(&["accounts", "list"]).await.out;
    assert!(list.contains("wx1") && list.contains("disabled since"), "{list}");
    place.good(&["accounts", "enable", "wx1"]).await;
    place.good(&["run"]).await;
    let unknown = place.run(&["accounts", "disable", "wx9"]).await;
    assert!(
        unknown.code == 1 && unknown.err.contains("the ledger has no account wx9"),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn an_account_of_the_ledger_that_is_unusable_here_is_told_and_stops_no_other() {
    let place = Place::start(ROOMS).await;
    place.configure(&format!("[accounts]\nledger = true\n{}", place.configuration()));
    let added = place.good(&["accounts", "add", "wx2", "--secret-env", "NOT_SET"]).await;
    assert!(added.err.contains("not usable on this machine"), "{}", added.err);
    let refused = place.run(&["accounts", "add", "wx1", "--secret-env", "APP_SECRET"]).await;
    assert!(refused.code == 2 && refused.err.contains("configured in"), "{refused:?}");
    let ran = place.run(&["run"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("wx2") && ran.err.contains("NOT_SET"), "{}", ran.err);
    assert!(place.bucket().has_manifest(1));
}

const PLATFORM: &str = "[platform]\ncomponent_appid = \"wxplatform\"\naccounts = true\n\
    only_refresher = true\nsecret_env = \"APP_SECRET\"\nticket_file = \"ticket\"\n\
    [accounts]\ntoken = { source = \"component\" }\n";

#[tokio::test]
async fn a_platforms_accounts_are_found_by_its_list_paused_when_they_leave_and_resumed() {
    let platform = format!("[platform]\nappid = \"wxplatform\"\nsecret = \"{APP_SECRET}\"\n");
    let place = place(&format!("{ROOMS}{platform}"), PLATFORM).await;
    std::fs::write(place.folder.path().join("ticket"), place.sandbox.ticket()).unwrap();
    place.good(&["run"]).await;
    assert!(place.bucket().has_manifest(2));
    let stable = place.sandbox.calls().iter().filter(|call| call.path.contains("/token")).count();
    assert_eq!(stable, 0, "no token of the account's own is asked for");

    place.sandbox.update(|scenario| scenario.accounts[0].authorized = false);
    let asked = place.sandbox.calls().len();
    let ran = place.run(&["run"]).await;
    assert_ne!(ran.code, 0, "{ran:?}");
    let live = place.sandbox.calls().split_off(asked);
    assert!(live.iter().all(|call| !call.path.contains("getliveinfo")), "the list says it already");
    let list = place.good(&["accounts", "list"]).await.out;
    assert!(list.contains("paused since") && list.contains("the platform's list"), "{list}");
    let status = place.good(&["status"]).await.out;
    assert!(status.contains("paused"), "{status}");
    assert_eq!(place.run(&["accounts", "check"]).await.code, 3);

    place.sandbox.update(|scenario| scenario.accounts[0].authorized = true);
    place.good(&["accounts", "check"]).await;
    assert!(place.good(&["accounts", "list"]).await.out.contains("archived"));
    place.good(&["run"]).await;
}

#[tokio::test]
async fn a_platforms_tokens_are_refreshed_by_one_process_and_the_others_say_which() {
    use jiff::SignedDuration;
    use replay_archiver::ledger::Ledger;
    let platform = format!("[platform]\nappid = \"wxplatform\"\nsecret = \"{APP_SECRET}\"\n");
    let place = place(&format!("{ROOMS}{platform}"), PLATFORM).await;
    std::fs::write(place.folder.path().join("ticket"), place.sandbox.ticket()).unwrap();
    place.good(&["run"]).await;
    let url = format!("sqlite:{}", place.folder.path().join("ledger.sqlite").display());
    let (ledger, appid) = (Ledger::open(&url).await.unwrap(), "wxplatform".parse().unwrap());
    let hour = SignedDuration::from_hours(1);
    let taken = ledger.take_refreshing(&appid, "20261127T020000Z-other elsewhere", hour).await;
    assert_eq!(taken.unwrap(), None, "the run has given it back");
    let asked = place.sandbox.calls().len();
    let ran = place.run(&["run", "--json"]).await;
    assert_eq!((ran.code, &ran.summary()["outcome"]), (3, &json!("continuing")), "{ran:?}");
    assert_eq!(place.sandbox.calls().len(), asked, "nothing is asked");
    let ran = place.run(&["run"]).await;
    let says = "run 20261127T020000Z-other refreshes the tokens of the platform wxplatform since";
    assert!(ran.err.contains(says) && ran.err.contains("RA223"), "{}", ran.err);
    ledger.end_refreshing("20261127T020000Z-other elsewhere").await.unwrap();
    place.good(&["run"]).await;
}

#[tokio::test]
async fn a_platforms_list_that_ends_early_pauses_nobody() {
    let platform = format!("[platform]\nappid = \"wxplatform\"\nsecret = \"{APP_SECRET}\"\n");
    let place = place(&format!("{ROOMS}{platform}"), PLATFORM).await;
    std::fs::write(place.folder.path().join("ticket"), place.sandbox.ticket()).unwrap();
    place.good(&["run"]).await;
    place.sandbox.update(|scenario| {
        let text = "[[fault]]\non = \"api\"\ncall = \"authorizers\"\ntimes = \"always\"\n\
            then = { body = { text = '{\"total_count\":2,\"list\":[]}' } }";
        scenario.faults = replay_archiver::sandbox::scenario::Scenario::parse(text).unwrap().faults;
    });
    let ran = place.run(&["run"]).await;
    assert!(ran.code != 0 && ran.err.contains("ends after 0 of 2"), "{ran:?}");
    let list = place.good(&["accounts", "list"]).await.out;
    assert!(list.contains("wx1") && !list.contains("paused"), "{list}");
}

#[tokio::test]
async fn an_account_that_a_broken_file_names_is_not_taken_from_another_source() {
    let place = Place::start(ROOMS).await;
    let folder = place.folder.path().join("accounts.d");
    std::fs::create_dir(&folder).unwrap();
    let more = "[accounts]\nledger = true\nfolder = \"accounts.d\"\n";
    place.configure(&format!("{more}{}", place.configuration()));
    place.good(&["accounts", "add", "wx2", "--secret-env", "APP_SECRET"]).await;
    place.good(&["accounts", "add", "wx3", "--secret-env", "APP_SECRET"]).await;
    let broken = "# wx3 has moved to the ledger\n[[account]]\nappid = wx2\ndaily_limit = 50\n";
    std::fs::write(folder.join("a.toml"), broken).unwrap();
    let also = "[[account]]\nappid = \"wx2\"\ntoken = { secret_env = \"APP_SECRET\" }\n";
    std::fs::write(folder.join("b.toml"), also).unwrap();
    let listed = place.run(&["accounts", "list", "--json"]).await;
    let lines = listed.lines();
    let named: Vec<_> = lines.iter().filter_map(|line| line["appid"].as_str()).collect();
    assert_eq!((listed.code, named), (3, vec!["wx1", "wx3"]), "{listed:?}");
    for says in
        ["wx2: left out, although another source has settings too", "a.toml names it", "[RA036]"]
    {
        assert!(listed.err.contains(says), "{says}: {}", listed.err);
    }
    let other = place.good(&["run", "--account", "wx1"]).await;
    assert!(!other.err.contains("wx2") && !other.err.contains("a.toml"), "{}", other.err);
    let own = place.run(&["accounts", "list", "--account", "wx2"]).await;
    assert!(own.code == 3 && own.err.contains("a.toml, line 3"), "{own:?}");
    std::fs::remove_file(folder.join("a.toml")).unwrap();
    std::fs::remove_file(folder.join("b.toml")).unwrap();
    let listed = place.good(&["accounts", "list", "--json"]).await;
    assert_eq!(listed.lines().len(), 4, "three accounts and the summary");
}

#[tokio::test]
async fn a_secret_in_place_of_its_name_is_neither_shown_nor_kept() {
    let place = place(ROOMS, "[accounts]\nledger = true\n").await;
    for flag in ["--secret-env", "--secret-file", "--token-file", "--redis-key"] {
        let refused = place.run(&["accounts", "add", "wx1", flag, APP_SECRET]).await;
        assert!(
            refused.code == 2 && refused.err.contains("may be a secret"),
            "{flag}: {refused:?}"
        );
        assert!(!format!("{refused:?}").contains(APP_SECRET), "{flag}");
    }
    let list = place.good(&["accounts", "list", "--json"]).await;
    assert_eq!(list.summary()["accounts"], 0, "{list:?}");
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger.sqlite") {
            assert!(!crate::bucket::holds(&std::fs::read(&path).unwrap(), APP_SECRET));
        }
    }
}

#[tokio::test]
async fn two_refreshers_are_refused_before_anything_is_asked() {
    let text = PLATFORM.replace("only_refresher = true\n", "token_file = \"kept\"\n");
    let place = place(
        ROOMS,
        &format!("{text}{ACCOUNT}")
            .replace("secret_env = \"APP_SECRET\" }", "source = \"component\" }"),
    )
    .await;
    let ran = place.run(&["run"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("would make them void") && ran.err.contains("only_refresher"),
        "{}",
        ran.err
    );
    assert_eq!(place.sandbox.calls().len(), 0);
}

#[tokio::test]
async fn plan_and_status_say_what_is_left_out_by_which_rule_and_that_the_rules_have_changed() {
    let place = Place::start(ROOMS).await;
    let rules = "[select]\nexclude_days = [\"..2099-12-31\"]\n";
    place.configure(&format!("{rules}{}", place.configuration()));
    let dry = place.good(&["run", "--dry-run"]).await;
    assert!(dry.out.contains("2 rooms: 2 by exclude_days: ..2099-12-31"), "{}", dry.out);
    place.good(&["run"]).await;
    assert!(!place.bucket().has_manifest(1));
    let plan = place.good(&["plan", "--json"]).await.lines().remove(0);
    assert_eq!(plan["left_out"], json!({ "exclude_days: ..2099-12-31": 2 }), "{plan}");
    let room = place.good(&["status", "--room", "1"]).await.out;
    assert!(
        room.contains("left out by exclude_days") && room.contains("backfill --room 1"),
        "{room}"
    );
    place.configure(&place.configuration());
    let plan = place.good(&["plan"]).await;
    assert!(plan.err.contains("archives 2 rooms that were left out"), "{}", plan.err);
    place.good(&["run"]).await;
    assert!(place.bucket().has_manifest(1) && place.bucket().has_manifest(2));
}
