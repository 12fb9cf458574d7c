//! What is wrong in the configuration, or with what it names, is said before anything is done.

use super::program::{Place, ROOMS};

#[tokio::test]
async fn a_wrong_key_or_value_is_named_with_file_line_and_the_nearest_key() {
    let place = Place::start("").await;
    let good = place.configuration();
    let table: [(&str, &str, &[&str]); 9] = [
        ("bucket =", "buket =", &["pipeline.toml, line 6", "`buket`", "did you mean `bucket`?"]),
        ("[images]", "[imagse]", &["pipeline.toml, line 17", "`imagse`", "did you mean `images`?"]),
        ("secret_env", "secret_evn", &["pipeline.toml, line 22", "did you mean `secret_env`?"]),
        ("bucket = \"replays\"", "bucket = 7", &["pipeline.toml, line 6", "[store]"]),
        ("bucket = \"replays\"", "bucket = \"\"", &["[store] bucket", "hint:"]),
        ("bucket = \"replays\"", "bucket = ", &["pipeline.toml, line 6"]),
        ("appid = \"wx1\"", "appid = \"../x\"", &["[[account]] appid"]),
        ("\"STORE_SECRET\"", "\"NOT_SET\"", &["NOT_SET", "secret_key", "hint:"]),
        ("sqlite:", "mysql:", &["[ledger] url"]),
    ];
    for (old, new, named) in table {
        place.configure(&good.replace(old, new));
        let ran = place.run(&["run"]).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{new}: {ran:?}");
        for part in named {
            assert!(ran.err.contains(part), "{new}: no {part} in {}", ran.err);
        }
    }
    let missing = place.run(&["run", "--config", "nowhere.toml"]).await;
    assert!(missing.code == 2 && missing.err.contains("nowhere.toml"), "{missing:?}");
    for usage in [
        &["walk"][..],
        &["run", "--fast"],
        &["playlist"],
        &["run", "--max-runtime", "soon"],
        &["run", "--account", "a b"],
    ] {
        assert_eq!(place.run(usage).await.code, 2, "{usage:?}");
    }
    place.configure(&good);
    let other = place.run(&["run", "--account", "wx9"]).await;
    assert!(other.code == 2 && other.err.contains("wx9 is not configured"), "{other:?}");
}

#[tokio::test]
async fn the_environment_goes_over_the_file_and_no_secret_is_shown() {
    let place = Place::start("").await;
    let shown = |command: &mut tokio::process::Command| command.spawn().unwrap();
    let mut command = place.command(&["config", "show"]);
    command.env("REPLAY_ARCHIVER_STORE__BUCKET", "elsewhere");
    let ran = super::program::ended(shown(&mut command)).await;
    assert!(ran.code == 0 && ran.out.contains("bucket = \"elsewhere\""), "{ran:?}");
    assert!(ran.out.contains("part_size"), "every default is written out: {}", ran.out);
    assert!(!ran.out.contains("canary") && !ran.err.contains("canary"), "{ran:?}");
    toml::from_str::<toml::Table>(&ran.out).unwrap();

    let mut command = place.command(&["config", "show"]);
    command.env("REPLAY_ARCHIVER_STORE__BUKET", "elsewhere");
    let ran = super::program::ended(shown(&mut command)).await;
    assert!(ran.code == 2 && ran.err.contains("REPLAY_ARCHIVER_STORE__BUKET"), "{ran:?}");
}

#[tokio::test]
async fn doctor_says_what_is_in_place_and_what_is_not() {
    let place = Place::start(ROOMS).await;
    let good = place.configuration();
    let first = place.good(&["doctor"]).await;
    assert!(first.out.contains("warn  ledger: ") && first.out.contains("created a new ledger"));
    let ran = place.good(&["doctor"]).await;
    assert!(ran.out.lines().all(|line| !line.starts_with("FAIL")), "{}", ran.out);
    for check in [
        "configuration",
        "ledger",
        "bucket",
        "bucket rights",
        "wx1 token",
        "wx1 calls",
        "wx1 live rooms",
        "wx1 media hosts",
    ] {
        assert!(ran.out.contains(&format!("ok    {check}:")), "no {check} in {}", ran.out);
    }
    assert_eq!(place.bucket().objects.len(), 0, "it leaves nothing behind");
    let table = [
        ("bucket = \"replays\"", "bucket = \"elsewhere\"", "FAIL  bucket:"),
        ("access_key = \"access\"", "access_key = \"nobody\"", "FAIL  bucket:"),
        ("secret_key_env = \"STORE_SECRET\"", "secret_key_env = \"APP_SECRET\"", "FAIL  bucket:"),
        ("secret_env = \"APP_SECRET\"", "secret_env = \"STORE_SECRET\"", "FAIL  wx1 token:"),
    ];
    for (old, new, failure) in table {
        place.configure(&good.replace(old, new));
        let ran = place.run(&["doctor"]).await;
        assert!(ran.code == 1 && ran.out.contains(failure), "{new}: {ran:?}");
        assert!(ran.out.contains("hint:"), "{new}: {}", ran.out);
        assert!(!ran.out.contains("canary"), "{new}: {}", ran.out);
    }
    place.configure(&good);
    place.sandbox.update(|scenario| scenario.accounts[0].permission = false);
    let ran = place.run(&["doctor"]).await;
    assert!(ran.code == 1 && ran.out.contains("FAIL  wx1 live rooms:"), "{ran:?}");
}

#[tokio::test]
async fn doctor_names_the_address_that_does_not_answer() {
    let place = Place::start(ROOMS).await;
    let good = place.configuration();
    let (store, api) =
        (format!("http://{}", place.store.addr()), format!("http://{}", place.sandbox.api_addr()));
    // It takes connections, and says nothing.
    let (_silent, addr) = crate::net::silent();
    let silent = format!("http://{addr}");
    let (dead, unknown) =
        ("http://127.0.0.1:1".to_owned(), "http://no-such-host.invalid:9".to_owned());
    let doctor = async |old: &str, new: &str, failure: &str| {
        place.configure(&good.replace(old, new));
        let began = std::time::Instant::now();
        let ran = place.run(&["doctor"]).await;
        let line = ran.out.split("\nFAIL").nth(1).unwrap_or_default().to_owned();
        assert!(ran.code == 1 && line.starts_with(&format!("  {failure}:")), "{new}: {ran:?}");
        assert!(line.contains(new) && line.contains("hint:"), "{new}: {}", ran.out);
        // Ten seconds for the check, and more than enough for a busy machine.
        assert!(began.elapsed().as_secs() < 60, "{new}: {:?}", began.elapsed());
    };
    for new in [&dead, &unknown, &silent] {
        doctor(&store, new, "bucket").await;
    }
    doctor(&api, &dead, "wx1 token").await;
}

#[tokio::test]
async fn doctor_looks_up_the_hosts_of_what_is_still_to_be_stored() {
    let place = Place::start(ROOMS).await;
    let good = place.configuration();
    let ran = place.good(&["doctor"]).await;
    assert!(ran.out.contains("ok    wx1 media hosts: no recordings are waiting"), "{}", ran.out);
    let vod = place.sandbox.vod_addr().to_string();
    let narrow = good.replacen(&format!("[media]\nallow_hosts = [\"{vod}\"]"), "[media]", 1);
    assert_ne!(narrow, good);
    place.configure(&narrow);
    place.run(&["run"]).await;
    let calls = place.sandbox.calls().iter().filter(|call| asks_for_replays(call)).count();
    let ran = place.good(&["doctor"]).await;
    let line = format!("allow_hosts = [\"*.myqcloud.com\", \"{vod}\"]");
    assert!(ran.out.contains("warn  wx1 media hosts:") && ran.out.contains(&line), "{}", ran.out);
    let asked = place.sandbox.calls().iter().filter(|call| asks_for_replays(call)).count();
    assert_eq!(asked, calls, "no call is spent for it");
    // Pasted as it stands.
    place.configure(&good.replacen(&format!("allow_hosts = [\"{vod}\"]"), &line, 1));
    let ran = place.good(&["doctor"]).await;
    assert!(ran.out.contains(&format!("ok    wx1 media hosts: {vod} resolved")), "{}", ran.out);
}

fn asks_for_replays(call: &replay_archiver::sandbox::Call) -> bool {
    call.body.as_ref().is_some_and(|body| body.get("room_id").is_some())
}

#[tokio::test]
async fn a_bucket_or_an_account_that_cannot_be_used_ends_a_run_with_a_hint() {
    let place = Place::start(ROOMS).await;
    let good = place.configuration();
    let dead = place.store.addr().to_string();
    let table = [
        ("bucket = \"replays\"".to_owned(), "bucket = \"elsewhere\""),
        ("access_key = \"access\"".to_owned(), "access_key = \"nobody\""),
        ("secret_key_env = \"STORE_SECRET\"".to_owned(), "secret_key_env = \"APP_SECRET\""),
        ("secret_env = \"APP_SECRET\"".to_owned(), "secret_env = \"STORE_SECRET\""),
        ("ledger.sqlite".to_owned(), "no/such/folder/ledger.sqlite"),
        (dead, "127.0.0.1:1"),
    ];
    for (old, new) in table {
        place.configure(&good.replace(&old, new));
        let ran = place.run(&["run"]).await;
        assert_eq!(ran.code, 1, "{new}: {ran:?}");
        assert!(ran.err.contains("hint:") || ran.out.contains("hint:"), "{new}: {ran:?}");
        assert!(!ran.err.contains("canary"), "{new}: {ran:?}");
        // Where the bucket can be used, it is told there too.
        let bucket = place.bucket();
        let told = bucket.objects.keys().all(|key| key == "live/wx1/status.json");
        assert!(told, "{new}: {:?}", bucket.objects.keys());
    }
    place.configure(&good);
    std::fs::write(
        place.folder.path().join("ledger.sqlite"),
        "this is no database, but a text file of some length",
    )
    .unwrap();
    let ran = place.run(&["run"]).await;
    assert!(ran.code == 1 && ran.err.contains("hint:"), "{ran:?}");
}
