//! Slow parts in front: what is behind them comes all the same. The program itself, in real time, at the
//! settings that it ships with.

use tokio::process::Child;

use crate::cli::program::{Ran, ended};
use crate::machines::fleet::{Fleet, signal};

/// A room with one segment, of which its host gives each connection so many bytes a second.
fn room(id: u64, (expire, size): (&str, &str), rate: &str) -> String {
    format!(
        "[[account.room]]\nid = {id}\nstart = \"-{}d\"\n[[account.room.replay]]\n\
         expire = \"{expire}\"\nsize = \"{size}\"\n\
         [[fault]]\non = \"vod\"\nroom = {id}\ntimes = \"always\"\nthen = {{ drip = {{ rate = \"{rate}\" }} }}\n",
        300 - id
    )
}

/// A world with those rooms, in which the program is at work.
async fn at_work(rooms: &[String]) -> (Fleet, Child) {
    let (rooms, faults): (Vec<_>, Vec<_>) =
        rooms.iter().map(|room| room.split_at(room.find("[[fault]]").unwrap())).unzip();
    let scenario = format!(
        "[[account]]\nappid = \"wx1\"\nsecret = \"{}\"\ntoken = \"fixed\"\n{}[vod]\ncrc64 = false\n{}",
        crate::canaries::APP_SECRET,
        rooms.concat(),
        faults.concat(),
    );
    let fleet = Fleet::start(&scenario, "", "").await;
    let worker = fleet.worker(&[]);
    (fleet, worker)
}

/// Waits until those rooms are archived, and stops the program.
async fn until_archived(fleet: &Fleet, worker: Child, rooms: &[u64]) -> Ran {
    let all = async || rooms.iter().all(|room| fleet.sealed().contains(room));
    fleet.until("the rooms behind are archived", all).await;
    signal(&worker, "TERM").await;
    let ran = ended(worker).await;
    let bucket = fleet.bucket();
    for room in rooms {
        assert_eq!(bucket.manifest(*room)["status"], "complete", "{ran:?}");
    }
    ran
}

/// Segment A cannot make it at 60 kB/s a connection; it is the most urgent, and comes first.
#[tokio::test(flavor = "multi_thread")]
async fn slow_first_parts_of_what_cannot_make_it_starve_nothing_and_are_warned_of() {
    let a = room(1, ("+43s", "97MiB"), "60KB");
    let others = [(2, "+50s"), (3, "+58s"), (4, "+66s"), (5, "+74s"), (6, "+82s")];
    let others = others.map(|(id, expire)| room(id, (expire, "2MB"), "400KB"));
    let rooms: Vec<_> = std::iter::once(a).chain(others).collect();
    let (fleet, worker) = at_work(&rooms).await;
    let ran = until_archived(&fleet, worker, &[2, 3, 4, 5, 6]).await;
    let warned = ran.err.find("is at risk").unwrap_or_else(|| panic!("no warning: {ran:?}"));
    assert!(ran.err[warned..].contains("before room 1 is archived"), "{ran:?}");
    let lost = ran.err.find("failed to archive recording");
    assert!(lost.is_none_or(|lost| warned < lost), "it was warned of too late: {ran:?}");
}

/// It takes hours, and can make it: the others are not to wait for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_urgent_segment_does_not_hold_up_the_others_of_its_host() {
    for rate in ["1100", "20KB"] {
        let slow = room(1, ("+2d", "60MiB"), rate);
        let others = [2, 3].map(|id| room(id, ("+90d", "12MiB"), "20MB"));
        let rooms: Vec<_> = std::iter::once(slow).chain(others).collect();
        let (fleet, worker) = at_work(&rooms).await;
        until_archived(&fleet, worker, &[2, 3]).await;
    }
}
