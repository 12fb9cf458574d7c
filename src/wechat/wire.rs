//! WeChat's wire format: request bodies, and replies as values of the model.
//!
//! Only the identity of a row is required; every other field may be missing or wrong. The list itself
//! decides whether rows are missing: an unreadable list is an error, never an empty one.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::lenient::{self, Object};
use crate::model::text::{LONGEST_ADDRESS, LONGEST_NAME, LONGEST_TIME, capped};
use crate::model::time::room_time;
use crate::model::{
    AppId, Goods, ImageRole, LiveStatus, Replay, ReplayTime, Room, RoomId, RoomImage,
};

/// The largest page that WeChat returns, whatever `limit` says (three reports).
pub const PAGE_LIMIT: u64 = 50;

/// The most rows accepted in a reply: twenty pages.
pub(super) const MOST_ROWS: usize = 1000;

/// The most goods of a room to read: more than twice as many as WeChat allows.
const MOST_GOODS: usize = 500;

/// One page of the room list, newest `start_time` first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPage {
    /// The rooms in the order received. New rooms shift the list during a scan, so the same room may
    /// appear again on the next page.
    pub rooms: Vec<Room>,
    /// How many rows arrived, including unusable ones: advance `start` by this.
    pub received: u64,
    /// How many rows had no usable room id and are missing from `rooms`.
    pub skipped: u64,
    /// How many rooms there are in total; `None` past the end.
    pub total: Option<u64>,
    /// Whether this is the last page.
    pub end: bool,
}

/// One page of a room's replays.
#[derive(Debug, Clone)]
pub struct ReplayPage {
    /// The items in the order received, including unusable ones: advance `start` by their number.
    pub replays: Vec<Replay>,
    /// How many items were announced. Announced items may never appear.
    pub total: Option<u64>,
}

/// WeChat's figures for the day's live calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiQuota {
    /// Calls a day.
    pub daily_limit: u64,
    /// Calls made today, including the merchant's own.
    pub used: u64,
    /// Calls left today.
    pub remain: u64,
}

/// The body of `getliveinfo` for rooms.
pub(super) fn rooms_request(start: u64) -> Value {
    json!({ "start": start, "limit": PAGE_LIMIT })
}

/// The body of `getliveinfo` for replays.
pub(super) fn replays_request(room: RoomId, start: u64) -> Value {
    json!({ "action": "get_replay", "room_id": room.0, "start": start, "limit": PAGE_LIMIT })
}

/// The body of `openapi/quota/get` for `cgi_path`.
pub(super) fn quota_request(cgi_path: &str) -> Value {
    json!({ "cgi_path": cgi_path })
}

/// What is wrong with a reply, in words.
pub(super) type ReplyProblem = &'static str;

/// The rows under `key`. Missing or null counts as none, but only if WeChat said `errcode: 0`.
fn rows<'a>(
    reply: &'a Object,
    key: &str,
    problem: ReplyProblem,
) -> Result<&'a [Value], ReplyProblem> {
    match reply.get(key) {
        Some(Value::Array(rows)) if rows.len() > MOST_ROWS => Err("more rows than fit on a page"),
        Some(Value::Array(rows)) => Ok(rows),
        None | Some(Value::Null) if lenient::int(reply, "errcode") == Some(0) => Ok(&[]),
        _ => Err(problem),
    }
}

fn number_of(rows: &[Value]) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}

impl RoomPage {
    /// The page past the end of the list.
    pub(super) fn past_the_end() -> Self {
        Self { rooms: Vec::new(), received: 0, skipped: 0, total: None, end: true }
    }

    /// Parses the reply to a request that began at `start`.
    pub(super) fn read(appid: &AppId, start: u64, reply: &Object) -> Result<Self, ReplyProblem> {
        let rows = rows(reply, "room_info", "room_info is not a list")?;
        let rooms: Vec<Room> =
            rows.iter().filter_map(|row| room(appid, row.as_object()?)).collect();
        let received = number_of(rows);
        let skipped = received.saturating_sub(u64::try_from(rooms.len()).unwrap_or(u64::MAX));
        if skipped > 0 {
            tracing::warn!(
                account = %appid, page.start = start, page.received = received,
                page.skipped = skipped, "skipped {skipped} rooms without a usable roomid"
            );
        }
        let total = lenient::count(reply, "total");
        let seen = start.saturating_add(received);
        // A total equal to the size of the first page may be the page's own count.
        let is_of_the_page = start == 0 && received == PAGE_LIMIT;
        let end = received == 0 || (total == Some(seen) && !is_of_the_page);
        Ok(Self { rooms, received, skipped, total, end })
    }
}

/// One row of `room_info`; `None` without a usable `roomid`.
fn room(appid: &AppId, row: &Object) -> Option<Room> {
    let room_id = lenient::count(row, "roomid").filter(|id| *id > 0).map(RoomId)?;
    let name = |key| capped(lenient::text(row, key).unwrap_or_default(), LONGEST_NAME);
    // The original documentation spells it `live_satus`.
    let status = lenient::int(row, "live_status").or_else(|| lenient::int(row, "live_satus"));
    Some(Room {
        appid: appid.clone(),
        room_id,
        name: name("name"),
        anchor_name: name("anchor_name"),
        live_status: status.map(LiveStatus),
        start_time: time(row, "start_time"),
        end_time: time(row, "end_time"),
        goods: goods(row),
        images: images(row),
    })
}

fn time(row: &Object, key: &str) -> Option<Timestamp> {
    lenient::int(row, key).and_then(room_time)
}

fn goods(row: &Object) -> Vec<Goods> {
    let items = row.get("goods").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(Value::as_object)
        .take(MOST_GOODS)
        .map(|item| Goods {
            goods_id: lenient::int(item, "goods_id"),
            name: capped(lenient::text(item, "name").unwrap_or_default(), LONGEST_NAME),
            // In fen, in any notation.
            price_fen: lenient::int(item, "price"),
            url: lenient::filled_text(item, "url").map(|url| capped(url, LONGEST_ADDRESS)),
        })
        .collect()
}

fn images(row: &Object) -> Vec<RoomImage> {
    [
        (ImageRole::Cover, "cover_img"),
        (ImageRole::Anchor, "anchor_img"),
        (ImageRole::Share, "share_img"),
        (ImageRole::Feeds, "feeds_img"),
    ]
    .into_iter()
    .filter_map(|(role, key)| {
        let url = capped(lenient::filled_text(row, key)?.trim(), LONGEST_ADDRESS);
        Some(RoomImage { role, url })
    })
    .collect()
}

impl ReplayPage {
    /// The page past the end of the list.
    pub(super) fn past_the_end() -> Self {
        Self { replays: Vec::new(), total: None }
    }

    /// Parses a reply. An unreadable item is kept with an empty `media_url`, so that it is accounted for.
    pub(super) fn read(reply: &Object) -> Result<Self, ReplyProblem> {
        let rows = rows(reply, "live_replay", "live_replay is not a list")?;
        let replays = rows.iter().map(replay).collect();
        Ok(Self { replays, total: lenient::count(reply, "total") })
    }
}

fn replay(row: &Value) -> Replay {
    let time = |key| row.get(key).map(replay_time).unwrap_or_default();
    Replay {
        media_url: row.get("media_url").and_then(Value::as_str).unwrap_or_default().to_owned(),
        create_time: time("create_time"),
        expire_time: time("expire_time"),
    }
}

/// From text or a number; anything else is unknown.
fn replay_time(value: &Value) -> ReplayTime {
    match value {
        Value::String(text) => ReplayTime::parse(&capped(text, LONGEST_TIME)),
        Value::Number(number) => ReplayTime::parse(&number.to_string()),
        _ => ReplayTime::default(),
    }
}

impl ApiQuota {
    /// Parses the reply to the quota call.
    pub(super) fn read(reply: &Object) -> Result<Self, ReplyProblem> {
        let quota = reply.get("quota").and_then(Value::as_object).ok_or("quota is missing")?;
        let number = |key| {
            lenient::int(quota, key).map(|n| n.max(0).unsigned_abs()).ok_or("quota lacks a number")
        };
        Ok(Self {
            daily_limit: number("daily_limit")?,
            used: number("used")?,
            remain: number("remain")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(json: &str) -> Object {
        match lenient::parse(json.as_bytes()) {
            Some(Value::Object(fields)) => fields,
            other => panic!("{json} became {other:?}"),
        }
    }

    fn rooms(start: u64, json: &str) -> RoomPage {
        RoomPage::read(&"wx1".parse().unwrap(), start, &object(json)).unwrap()
    }

    fn replays(json: &str) -> ReplayPage {
        ReplayPage::read(&object(json)).unwrap()
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_recorded_page_of_rooms_is_read() {
        let page = rooms(0, include_str!("../../tests/it/fixtures/wechat/rooms.json"));
        let image = |role, url: &str| RoomImage { role, url: url.to_owned() };
        let expected = Room {
            appid: "wx1".parse().unwrap(),
            room_id: RoomId(1),
            name: "…".to_owned(),
            anchor_name: "…".to_owned(),
            live_status: Some(LiveStatus::ENDED),
            start_time: at("2020-12-24T08:36:28Z"),
            end_time: at("2020-12-24T08:56:40Z"),
            goods: vec![Goods {
                goods_id: Some(61),
                name: "…".to_owned(),
                price_fen: Some(211_200),
                url: Some("pages/…".to_owned()),
            }],
            images: vec![
                image(ImageRole::Cover, "http://mmbiz.qpic.cn/…"),
                image(ImageRole::Anchor, "…"),
                image(ImageRole::Share, "http://…"),
                image(ImageRole::Feeds, "http://…"),
            ],
        };
        assert_eq!(page.rooms, [expected]);
        assert_eq!((page.received, page.skipped, page.total, page.end), (1, 0, Some(9), false));
    }

    #[test]
    fn recorded_replays_are_read_in_order() {
        let page = replays(include_str!("../../tests/it/fixtures/wechat/replays.json"));
        let seen: Vec<_> =
            page.replays.iter().map(|r| (r.create_time.at, r.expire_time.at)).collect();
        assert_eq!(page.total, Some(3));
        assert_eq!(
            seen,
            [
                (at("2021-03-26T08:10:43Z"), at("2022-03-26T08:10:43Z")),
                (at("2021-03-26T08:00:44Z"), at("2022-03-26T08:00:44Z")),
                (at("2021-03-26T07:56:21Z"), at("2022-03-26T07:56:20Z")),
            ]
        );
        assert!(page.replays[0].media_url.ends_with("/<id>/playlist_eof.m3u8"));
        assert!(page.replays[2].media_url.ends_with("/<id>/f0.mp4"));
    }

    #[test]
    fn an_unknown_time_keeps_its_text_and_means_no_moment() {
        let page =
            replays(include_str!("../../tests/it/fixtures/wechat/replays_unknown_time.json"));
        let replay = &page.replays[0];
        assert_eq!((replay.create_time.at, replay.expire_time.at), (None, None));
        assert_eq!(replay.expire_time.raw.as_deref(), Some("2116-02-05T14:28:15"));
    }

    #[test]
    fn an_announced_replay_may_be_missing() {
        let json = include_str!("../../tests/it/fixtures/wechat/replays_announced_only.json");
        let page = replays(json);
        assert_eq!((page.replays.len(), page.total), (0, Some(1)));
    }

    #[test]
    fn a_room_needs_nothing_but_its_number() {
        let page = rooms(0, r#"{"room_info":[{"roomid":"7"}]}"#);
        assert_eq!(page.rooms, [Room::unlisted("wx1".parse().unwrap(), RoomId(7))]);
    }

    #[test]
    fn rows_without_a_usable_number_are_counted_and_left_out() {
        let page = rooms(
            0,
            r#"{"room_info":[{"roomid":null},{"roomid":-1},{"roomid":0},{},3,{"roomid":8}],"total":"6"}"#,
        );
        assert_eq!((page.received, page.skipped, page.rooms.len()), (6, 5, 1));
        assert!(page.end);
    }

    #[test]
    fn long_text_is_cut_at_its_limit_and_marked() {
        let long = "直".repeat(400_000);
        let goods = vec![serde_json::json!({ "name": long, "url": long }); 600];
        let room = serde_json::json!({
            "roomid": 1, "name": long, "anchor_name": long, "cover_img": long, "goods": goods[..3],
        });
        let page = rooms(0, &serde_json::json!({ "room_info": [room] }).to_string());
        let room = &page.rooms[0];
        assert!(room.name.len() <= LONGEST_NAME && room.name.ends_with("直…"), "{}", room.name);
        assert_eq!((&room.anchor_name, &room.goods[2].name), (&room.name, &room.name));
        assert!(room.images[0].url.len() <= LONGEST_ADDRESS);
        assert!(room.goods[0].url.as_ref().is_some_and(|url| url.len() <= LONGEST_ADDRESS));
        let many = serde_json::json!({ "roomid": 1, "goods": vec![serde_json::json!({}); 600] });
        let page = rooms(0, &serde_json::json!({ "room_info": [many] }).to_string());
        assert_eq!(page.rooms[0].goods.len(), MOST_GOODS);
        let page =
            replays(&serde_json::json!({ "live_replay": [{ "create_time": long }] }).to_string());
        assert!(
            page.replays[0].create_time.raw.as_ref().is_some_and(|raw| raw.len() <= LONGEST_TIME)
        );
    }

    #[test]
    fn the_status_is_read_in_every_spelling() {
        for (field, expected) in [
            (r#""live_status":103"#, Some(103)),
            (r#""live_satus":"103""#, Some(103)),
            (r#""live_status":null,"live_satus":107"#, Some(107)),
            (r#""live_status":0"#, Some(0)),
            (r#""live_status":{}"#, None),
        ] {
            let page = rooms(0, &format!(r#"{{"room_info":[{{"roomid":1,{field}}}]}}"#));
            assert_eq!(page.rooms[0].live_status, expected.map(LiveStatus), "{field}");
        }
    }

    #[test]
    fn prices_are_read_in_every_notation() {
        for (json, expected) in [
            ("211200", Some(211_200)),
            ("\"2112.00\"", Some(2112)),
            ("\"211200\"", Some(211_200)),
            ("211200.0", Some(211_200)),
            ("\"2,112.00\"", None),
            ("\"21.12\"", None),
            ("21.12", None),
        ] {
            let goods =
                format!(r#"[{{"goods_id":"61","name":"x","price":{json},"price2":"9.00"}}]"#);
            let page = rooms(0, &format!(r#"{{"room_info":[{{"roomid":1,"goods":{goods}}}]}}"#));
            let goods = &page.rooms[0].goods[0];
            assert_eq!((goods.goods_id, goods.price_fen), (Some(61), expected), "{json}");
        }
    }

    #[test]
    fn absurd_times_of_a_room_are_unknown() {
        for time in ["-1", "0", "4294967295", "9223372036854775807", "\"\"", "null", "[]"] {
            let page =
                rooms(0, &format!(r#"{{"room_info":[{{"roomid":1,"start_time":{time}}}]}}"#));
            assert_eq!(page.rooms[0].start_time, None, "{time}");
        }
    }

    #[test]
    fn the_times_of_a_replay_are_read_in_every_type() {
        let moment = at("2021-03-26T08:10:43Z");
        for (json, raw, expected) in [
            ("1616746243", Some("1616746243"), moment),
            ("1616746243000", Some("1616746243000"), moment),
            ("\"2021-03-26T16:10:43\"", Some("2021-03-26T16:10:43"), moment),
            ("\"\"", Some(""), None),
            ("null", None, None),
            ("{}", None, None),
        ] {
            let page = replays(&format!(r#"{{"live_replay":[{{"create_time":{json}}}]}}"#));
            let time = &page.replays[0].create_time;
            assert_eq!((time.raw.as_deref(), time.at), (raw, expected), "{json}");
        }
    }

    #[test]
    fn an_item_that_cannot_be_read_is_still_accounted_for() {
        let page = replays(r#"{"live_replay":[7,null,{"media_url":["x"]}],"total":-1}"#);
        assert_eq!((page.replays.len(), page.total), (3, None));
        assert!(page.replays.iter().all(|replay| replay.media_url.is_empty()));
    }

    #[test]
    fn the_list_ends_with_its_total_or_with_an_empty_page() {
        let row = r#"{"roomid":1}"#;
        assert!(rooms(8, &format!(r#"{{"room_info":[{row}],"total":9}}"#)).end);
        assert!(!rooms(7, &format!(r#"{{"room_info":[{row}],"total":9}}"#)).end);
        assert!(!rooms(9, &format!(r#"{{"room_info":[{row}],"total":9}}"#)).end, "not a total");
        assert!(!rooms(8, &format!(r#"{{"room_info":[{row}],"total":"many"}}"#)).end);
        assert!(rooms(0, r#"{"room_info":[],"total":9}"#).end);
    }

    #[test]
    fn a_missing_list_is_empty_only_if_wechat_said_ok() {
        let read = |json: &str| ReplayPage::read(&object(json)).map(|page| page.replays.len());
        assert_eq!(read(r#"{"errcode":0}"#), Ok(0));
        assert_eq!(read(r#"{"errcode":"0","live_replay":null}"#), Ok(0));
        for bad in ["{}", r#"{"error":"bad gateway"}"#, r#"{"errcode":0,"live_replay":{}}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_impossibly_long_page_is_refused() {
        let rows = |count: usize| vec!["{}"; count].join(",");
        let read =
            |count| ReplayPage::read(&object(&format!(r#"{{"live_replay":[{}]}}"#, rows(count))));
        assert_eq!(read(MOST_ROWS).unwrap().replays.len(), MOST_ROWS);
        assert!(read(MOST_ROWS + 1).is_err());
    }

    #[test]
    fn the_quota_is_read_from_numbers_and_texts() {
        let read = |json: &str| ApiQuota::read(&object(json));
        let quota = ApiQuota { daily_limit: 500, used: 512, remain: 0 };
        let json = r#"{"quota":{"daily_limit":"500","used":512,"remain":-12}}"#;
        assert_eq!(read(json), Ok(quota));
        assert!(read(r#"{"errcode":0}"#).is_err());
        assert!(read(r#"{"quota":{"daily_limit":500}}"#).is_err());
    }

    #[test]
    fn request_bodies_match_the_documentation() {
        assert_eq!(rooms_request(0).to_string(), r#"{"start":0,"limit":50}"#);
        assert_eq!(
            replays_request(RoomId(354), 0).to_string(),
            r#"{"action":"get_replay","room_id":354,"start":0,"limit":50}"#
        );
    }

    /// Any slightly nested JSON value.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,20}".prop_map(Value::from),
            "-?[0-9]{1,22}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-z_]{1,9}", inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// A reply whose `list` holds rows of arbitrary values under the names that WeChat uses.
    fn any_reply(
        list: &'static str,
        names: &'static [&'static str],
    ) -> impl Strategy<Value = String> {
        let field = (prop::sample::select(names), any_json());
        let row = prop_oneof![
            3 => prop::collection::vec(field, 0..8).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
            1 => any_json(),
        ];
        (prop::collection::vec(row, 0..5), any_json(), any_json()).prop_map(
            move |(rows, total, errmsg)| {
                json!({ list: rows, "total": total, "errmsg": errmsg }).to_string()
            },
        )
    }

    const ROOM_FIELDS: &[&str] = &[
        "roomid",
        "name",
        "live_status",
        "live_satus",
        "start_time",
        "end_time",
        "anchor_name",
        "cover_img",
        "anchor_img",
        "share_img",
        "feeds_img",
        "goods",
    ];
    const REPLAY_FIELDS: &[&str] = &["media_url", "create_time", "expire_time"];

    proptest! {
        #[test]
        fn no_field_of_a_room_can_fail_its_page(json in any_reply("room_info", ROOM_FIELDS)) {
            let page = rooms(0, &json);
            let rows = object(&json)["room_info"].as_array().unwrap().len();
            prop_assert_eq!(page.received, rows as u64);
            prop_assert_eq!(page.rooms.len() as u64 + page.skipped, page.received);
        }

        #[test]
        fn no_field_of_a_replay_can_fail_its_page(json in any_reply("live_replay", REPLAY_FIELDS)) {
            let items = object(&json)["live_replay"].as_array().unwrap().len();
            prop_assert_eq!(replays(&json).replays.len(), items);
        }
    }
}
