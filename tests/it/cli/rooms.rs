//! `--room` without `--account`: a room number leads to its account where only one has it.

use super::program::{APP_SECRET, Place};

/// Room 1 is in both accounts, room 2 in the first alone, room 3 in the second.
fn two_accounts() -> String {
    let room = |id: u32| {
        format!("[[account.room]]\nid = {id}\nstart = \"-9d\"\n[[account.room.replay]]\n")
    };
    format!(
        "{}{}[[account]]\nappid = \"wx2\"\nsecret = \"{APP_SECRET}\"\n{}{}",
        room(1),
        room(2),
        room(1),
        room(3)
    )
}

async fn start() -> Place {
    let place = Place::start(&two_accounts()).await;
    let second = "[[account]]\nappid = \"wx2\"\ntoken = { secret_env = \"APP_SECRET\" }\n";
    place.configure(&format!("{}{second}", place.configuration()));
    place
}

#[tokio::test]
async fn a_room_is_found_by_the_ledger_and_else_by_the_bucket() {
    let place = start().await;
    let unknown = place.run(&["backfill", "--room", "3"]).await;
    assert_eq!(unknown.code, 2, "{unknown:?}");
    for part in ["--room: ", "room 3", "--account", "wx1, wx2"] {
        assert!(unknown.err.contains(part), "{part}: {unknown:?}");
    }
    place.good(&["run"]).await;
    let ledger = place.folder.path().join("ledger.sqlite");
    for at in ["by the ledger", "by the bucket"] {
        for (room, appid) in [("2", "wx1"), ("3", "wx2")] {
            let list = place.good(&["playlist", "--room", room]).await.out;
            assert!(list.contains(&format!("\"appid\": \"{appid}\"")), "{at} {room}: {list}");
            place.good(&["verify", "--room", room]).await;
        }
        let both = place.run(&["playlist", "--room", "1"]).await;
        assert_eq!(both.code, 2, "{at}: {both:?}");
        assert!(both.err.contains("several accounts have a room 1: wx1, wx2"), "{at}: {both:?}");
        place.good(&["playlist", "--room", "1", "--account", "wx2"]).await;
        let none = place.run(&["playlist", "--room", "9"]).await;
        assert!(none.code == 1 && none.err.contains("not archived"), "{at}: {none:?}");
        let _ = std::fs::remove_file(&ledger);
    }
    place.good(&["backfill", "--room", "3"]).await;
    let both = place.run(&["backfill", "--room", "1", "--json"]).await;
    assert!(both.code == 2 && both.lines().pop().unwrap()["kind"] == "usage", "{both:?}");
    place.good(&["status", "--room", "3"]).await;
}
