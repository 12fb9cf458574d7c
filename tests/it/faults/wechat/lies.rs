//! Replies that are JSON and yet not true.

use replay_archiver::sandbox::scenario::Scenario;

use super::super::check::{Row, SMALL, acted, scripted};
use super::super::expect::{Expect, SAVED, could_not_run, left, rejected};
use super::{A_DAY, ALWAYS, api};
use crate::pipeline::world::World;

/// Has the room list begin with so many rooms that never went live, and announce `total` of them.
fn list_as(world: &World, more: i64, total: i64) {
    let room = |id: i64| format!("[[account.room]]\nid = {id}\nstart = \"+1h\"\nstatus = 107\n");
    let rooms: Vec<String> = (1000..1000 + more).map(room).collect();
    let text = format!("[[account]]\nappid = \"x\"\nsecret = \"x\"\n{}", rooms.concat());
    let mut parsed = Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut rooms = std::mem::take(&mut parsed.accounts[0].rooms);
    world.sandbox.update(|scenario| {
        scenario.wechat.announced_rooms = Some(total);
        scenario.accounts[0].rooms.append(&mut rooms);
    });
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    let body = |name: &str, call: &str, times: &str, text: &str, expect: Expect| {
        let then = format!("{{ body = {{ text = '''{text}''' }} }}");
        scripted(name, SMALL, &api(call, times, &then), expect)
    };
    let announced = |name: &str, total: i64, expect: Expect| {
        let lie = move |world: &World| world.change(2, |room| room.announced = Some(total));
        let heal = |world: &World| world.change(2, |room| room.announced = None);
        Row { heal: Box::new(heal), wait: A_DAY, ..acted(name, SMALL, lie, expect) }
    };
    let listed = |name: &str, more: i64, total: i64| {
        let lie = move |world: &World| list_as(world, more, total);
        acted(name, SMALL, lie, SAVED)
    };
    let empty = Expect { status: "empty", states: &[], ..SAVED };
    let wrong = "got an unreadable reply";
    vec![
        body("a list in place of the object", "replays", ALWAYS, "[]", left(wrong)),
        body("a text in place of the object", "rooms", ALWAYS, "\"ok\"", could_not_run(wrong)),
        body(
            "rooms that are no list",
            "rooms",
            ALWAYS,
            r#"{"errcode":0,"room_info":"none"}"#,
            could_not_run(wrong),
        ),
        body(
            "replays that are no list",
            "replays",
            ALWAYS,
            r#"{"errcode":0,"live_replay":7}"#,
            left(wrong),
        ),
        body("neither list nor code", "replays", ALWAYS, "{}", left(wrong)),
        body("a code that is a text", "replays", "1", r#"{"errcode":"-1","errmsg":5}"#, SAVED),
        Row {
            wait: A_DAY,
            ..body(
                "an empty list that announces nothing",
                "replays",
                "1",
                r#"{"errcode":0,"total":0,"live_replay":[]}"#,
                Expect { healed_status: "empty", healed_states: &[], ..empty },
            )
        },
        Row {
            wait: A_DAY,
            ..body(
                "an empty list that announces some",
                "replays",
                "1",
                r#"{"errcode":0,"total":1,"live_replay":[]}"#,
                Expect { status: "partial", states: &[], ..SAVED },
            )
        },
        Row {
            wait: A_DAY,
            ..body(
                "rows of wrong types",
                "replays",
                "1",
                r#"{"errcode":0,"total":"4","live_replay":[null,7,"x",{"media_url":5,"create_time":[]}]}"#,
                Expect {
                    healed: 3,
                    healed_status: "partial",
                    healed_states: &["archived", "rejected"],
                    ..rejected("the media_url is not a valid URL")
                },
            )
        },
        body(
            "a list of wrong types",
            "rooms",
            "1",
            r#"{"errcode":0,"total":"many","room_info":[null,{"roomid":"x"},{"roomid":-4},7]}"#,
            Expect { status: "", neighbour: "", loud: 1, ..SAVED },
        ),
        listed("a list that announces fewer rooms than it has", 60, 3),
        listed("a list that announces the rooms of a page", 120, 50),
        listed("a list that announces rooms it does not have", 0, 1000),
        announced("more announced than listed", 5, Expect { status: "partial", ..SAVED }),
        announced("less announced than listed", 0, SAVED),
        announced("less than nothing announced", -7, SAVED),
        announced("an absurd number announced", i64::MAX, Expect { status: "partial", ..SAVED }),
    ]
}
