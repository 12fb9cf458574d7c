//! Files that others on the machine can read or write: `doctor` says so.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::program::{Place, STORE_SECRET};

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn doctor_warns_of_files_that_others_can_read_or_write() {
    let place = Place::start("").await;
    let folder = place.folder.path().canonicalize().unwrap();
    let [configuration, secret, ledger] =
        ["pipeline.toml", "secret", "ledger.sqlite"].map(|name| folder.join(name));
    std::fs::write(&secret, STORE_SECRET).unwrap();
    let text = place.configuration();
    let text = text.replace("secret_key_env = \"STORE_SECRET\"", "secret_key_file = \"secret\"");
    place.configure(&text);
    place.good(&["doctor"]).await;
    for file in [&configuration, &secret, &ledger] {
        open(file, 0o600);
    }
    let good = place.good(&["doctor"]).await.out;
    assert!(good.contains("ok    files: none of "), "{good}");
    assert!(good.contains("0 warnings"), "{good}");

    for (path, mode, told) in [
        (&configuration, 0o666, "controls what this program does, and every user can change it"),
        (&secret, 0o666, "may hold a secret, and every user can change it"),
        (&secret, 0o644, "may hold a secret, and every user can read it"),
        (&ledger, 0o666, "records what was archived, and every user can change it"),
        (&folder, 0o777, "every user can replace files in this folder"),
    ] {
        let before = std::fs::metadata(path).unwrap().permissions();
        open(path, mode);
        let warned = place.good(&["doctor"]).await.out;
        let shown = path.display();
        let line =
            warned.lines().find(|line| line.starts_with("warn  files: ")).unwrap_or_default();
        assert!(line.contains(&shown.to_string()) && line.contains(told), "{mode:o}: {warned}");
        assert!(warned.contains("hint: run `chmod "), "{warned}");
        assert!(!warned.contains(STORE_SECRET), "{warned}");
        let json = place.good(&["doctor", "--json"]).await.lines();
        let is_told =
            |line: &serde_json::Value| line["check"] == "files" && line["verdict"] == "warn";
        assert!(json.iter().any(is_told), "{json:?}");
        std::fs::set_permissions(path, before).unwrap();
    }

    // With an address that may hold a secret, the file itself does.
    let proxy = "[wechat]\nproxy = \"http://user:pw@127.0.0.1:1\"";
    place.configure(&text.replace("[wechat]", proxy));
    open(&configuration, 0o644);
    let warned = place.run(&["doctor"]).await.out;
    assert!(
        warned.contains("pipeline.toml may hold a secret, and every user can read it"),
        "{warned}"
    );
}
