//! Without a file, as containers run the program; and in a folder that is not the usual one.

use std::path::Path;

use super::program::{Place, ROOMS, Ran, ended};

/// A `pipeline.toml` that works, as variables.
fn variables(place: &Place) -> Vec<(String, String)> {
    let name = |name: &str| format!("REPLAY_ARCHIVER_{name}");
    let vod = place.sandbox.vod_addr();
    vec![
        (name("LEDGER__URL"), "sqlite:ledger.sqlite".to_owned()),
        (name("STORE__ENDPOINT"), format!("http://{}", place.store.addr())),
        (name("STORE__BUCKET"), "replays".to_owned()),
        (name("STORE__PREFIX"), "live".to_owned()),
        (name("STORE__ACCESS_KEY"), "access".to_owned()),
        (name("STORE__SECRET_KEY_ENV"), "STORE_SECRET".to_owned()),
        (name("WECHAT__BASE_URL"), format!("http://{}", place.sandbox.api_addr())),
        (name("MEDIA__ALLOW_HOSTS"), format!("*.myqcloud.com,{vod}")),
        (name("IMAGES__ALLOW_HOSTS"), format!("{vod}")),
        (name("ACCOUNT__0__APPID"), "wx1".to_owned()),
        (name("ACCOUNT__0__TOKEN__SECRET_ENV"), "APP_SECRET".to_owned()),
    ]
}

async fn run(place: &Place, folder: &Path, arguments: &[&str], more: &[(&str, &str)]) -> Ran {
    let mut command = place.command(arguments);
    command.current_dir(folder).envs(variables(place)).envs(more.iter().copied());
    ended(command.spawn().unwrap()).await
}

#[tokio::test]
async fn a_container_needs_no_file() {
    let place = Place::start(ROOMS).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = format!("\u{feff}{} \r\n", super::program::APP_SECRET);
    let ran = run(&place, folder.path(), &["run"], &[("APP_SECRET", &secret)]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    assert!(place.bucket().has_manifest(1) && place.bucket().has_manifest(2));
    let named = ["status", "--config", "pipeline.toml"];
    let ran = run(&place, folder.path(), &named, &[]).await;
    assert!(ran.code == 2 && ran.err.contains("pipeline.toml"), "{ran:?}");
    let wrong = [("REPLAY_ARCHIVER_STORE_BUCKET", "elsewhere")];
    let ran = run(&place, folder.path(), &["status"], &wrong).await;
    assert!(ran.code == 2 && ran.err.contains("did you mean REPLAY_ARCHIVER_STORE__BUCKET?"));
    let ran = run(&place, folder.path(), &["status"], &[("STORE_SECRET", " \n")]).await;
    assert!(ran.code == 2 && ran.err.contains("STORE_SECRET is empty"), "{ran:?}");
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::start("").await;
    let no_text = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for (name, part) in [
        ("REPLAY_ARCHIVER_STORE__PREFIX", "REPLAY_ARCHIVER_STORE__PREFIX: its value is not UTF-8"),
        ("STORE_SECRET", "the environment variable STORE_SECRET is not UTF-8 text"),
    ] {
        let mut command = place.command(&["status"]);
        command.env(name, no_text);
        let ran = ended(command.spawn().unwrap()).await;
        assert!(ran.code == 2 && ran.err.contains(part), "{ran:?}");
    }
}

#[tokio::test]
async fn another_folder_is_another_ledger_and_that_is_said() {
    let place = Place::start(ROOMS).await;
    let (usual, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = |folder: &Path| folder.join("ledger.sqlite").display().to_string();
    let first = run(&place, usual.path(), &["run"], &[]).await;
    assert!(first.err.contains(&format!("created a new ledger: {}", ledger(usual.path()))));
    assert!(
        first.err.contains("hint: [ledger] url is relative to the current directory"),
        "{first:?}"
    );
    assert_eq!(run(&place, usual.path(), &["run"], &[]).await.err, "");
    for command in [&["status"][..], &["plan"], &["verify"], &["gc"]] {
        let ran = run(&place, other.path(), command, &[]).await;
        assert_eq!(ran.code, 0, "{command:?}: {ran:?}");
        let none = format!("there is no ledger yet: {}", ledger(other.path()));
        assert!(ran.err.contains(&none) && ran.err.contains("hint: "), "{command:?}: {ran:?}");
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0, "{command:?}");
        let ran = run(&place, usual.path(), command, &[]).await;
        assert!(ran.code == 0 && !ran.err.contains("no ledger"), "{command:?}: {ran:?}");
    }
    let doctor = run(&place, other.path(), &["doctor"], &[]).await;
    let made = format!("ledger: {}: created a new ledger", ledger(other.path()));
    assert!(doctor.out.contains(&made), "{doctor:?}");
    let doctor = run(&place, other.path(), &["doctor"], &[]).await;
    assert!(doctor.out.contains(&format!("{}: open and up to date", ledger(other.path()))));
}
