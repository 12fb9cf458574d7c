//! `getliveinfo`: the room list, and one room's replays.

use std::cmp::Reverse;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Map, Value, json};

use super::super::address;
use super::super::request::Incoming;
use super::super::scenario::{Account, Goods, Replay, Room, Span, TimeStyle, WeChat};
use super::super::world::{Life, World, life, room_times};
use super::refusal::{self, Refusal};
use super::{json_body, require_post, token};

/// Both calls of `POST /wxa/business/getliveinfo`.
pub fn getliveinfo(world: &mut World, request: &Incoming) -> Result<Value, Refusal> {
    require_post(request)?;
    let caller = token::authorize(world, request)?;
    if !caller.permission {
        return Err(refusal::UNAUTHORIZED);
    }
    world.quotas.take_live(&caller, world.clock.now())?;
    let body = json_body(request)?;
    let page =
        Page { start: number(&body, "start", 0)?, limit: number(&body, "limit", usize::MAX)? };
    let accounts = world.scenario.accounts.iter().enumerate();
    let mut own = accounts.filter(|(_, account)| account.appid == caller.appid);
    let (index, account) = own.next().ok_or(refusal::INVALID_TOKEN)?;
    match body.get("action").map(Value::as_str) {
        None => rooms(world, account, page),
        Some(Some("get_replay")) => {
            let room_id = body.get("room_id").and_then(Value::as_i64).ok_or(refusal::BAD_JSON)?;
            replays(world, index, account, room_id, page)
        }
        Some(_) => Err(refusal::BAD_JSON),
    }
}

/// The requested part of a list.
#[derive(Debug, Clone, Copy)]
struct Page {
    start: usize,
    limit: usize,
}

impl Page {
    fn of(&self, rows: Vec<Value>, cap: usize) -> Vec<Value> {
        rows.into_iter().skip(self.start).take(self.limit.min(cap)).collect()
    }
}

fn number(body: &Map<String, Value>, key: &str, default: usize) -> Result<usize, Refusal> {
    let Some(value) = body.get(key) else { return Ok(default) };
    value.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or(refusal::BAD_JSON)
}

fn rooms(world: &World, account: &Account, page: Page) -> Result<Value, Refusal> {
    let habits = &world.scenario.wechat;
    let mut rooms: Vec<&Room> = account.rooms.iter().collect();
    rooms.sort_by_key(|room| Reverse((room_times(room, world.started).0, room.id)));
    if page.start >= rooms.len() {
        let mut end = Refusal::new(habits.end_of_list, "empty room list".to_owned());
        end.fields = vec![("room_info", json!([])), ("live_replay", json!([]))];
        return Err(end);
    }
    let listed = i64::try_from(rooms.len()).unwrap_or(i64::MAX);
    let total = habits.announced_rooms.unwrap_or(listed);
    let rows: Vec<_> = rooms
        .into_iter()
        .skip(page.start)
        .take(page.limit.min(habits.page_cap))
        .map(|room| room_row(world, room))
        .collect();
    let mut reply = json!({ "errcode": 0, "errmsg": "ok", "total": total, "room_info": rows, "live_replay": [] });
    add_junk(habits, &mut reply);
    Ok(reply)
}

fn room_row(world: &World, room: &Room) -> Value {
    let habits = &world.scenario.wechat;
    let (start, end) = room_times(room, world.started);
    let now = world.clock.now();
    let by_clock = if now < start {
        102
    } else if now < end {
        101
    } else {
        103
    };
    let picture = |role| picture_url(world, room.id, role);
    let goods: Vec<_> =
        room.goods.iter().map(|goods| goods_row(goods, &picture("goods"))).collect();
    let mut row = json!({
        "name": room.name, "cover_img": picture("cover"),
        "start_time": start.as_second(), "end_time": end.as_second(),
        "anchor_name": room.anchor, "anchor_img": picture("anchor"), "roomid": room.id,
    });
    let rest = json!({
        habits.status_field.as_str(): room.status.unwrap_or(by_clock),
        "live_type": 0, "share_img": picture("share"), "feeds_img": picture("feeds"),
        "close_like": 0, "close_goods": 0, "close_comment": 0, "close_kf": 0, "close_replay": 1,
        "is_feeds_public": 1, "creater_openid": format!("oSandbox{:020}", room.id), "goods": goods,
    });
    if let (Value::Object(fields), Value::Object(rest)) = (&mut row, rest) {
        fields.extend(rest);
    }
    add_junk(habits, &mut row);
    trim(&mut row, habits.omit.iter().chain(&room.omit), &room.raw);
    row
}

fn goods_row(goods: &Goods, picture: &str) -> Value {
    json!({
        "name": goods.name, "cover_img": picture, "goods_id": goods.id,
        "url": format!("pages/goods/detail.html?id={}", goods.id),
        "price": goods.price, "price2": 0, "price_type": 1, "third_party_appid": "",
    })
}

fn replays(
    world: &World,
    index: usize,
    account: &Account,
    room_id: i64,
    page: Page,
) -> Result<Value, Refusal> {
    let habits = &world.scenario.wechat;
    let room = account.rooms.iter().find(|room| room.id == room_id);
    if room.is_none() && habits.unknown_room != 0 {
        return Err(Refusal::new(habits.unknown_room, "room not exist".to_owned()));
    }
    let rows = room.map_or_else(Vec::new, |room| replay_rows(world, index, account, room));
    let listed = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let total = room.and_then(|room| room.announced).unwrap_or(listed);
    let rows = page.of(rows, habits.replay_page_cap);
    let mut reply = json!({ "errcode": 0, "errmsg": "ok", "room_info": [], "total": total, "live_replay": rows });
    add_junk(habits, &mut reply);
    Ok(reply)
}

/// The rows listed now, newest first.
fn replay_rows(world: &World, index: usize, account: &Account, room: &Room) -> Vec<Value> {
    let now = world.clock.now();
    let mut rows = Vec::new();
    for (item, replay) in room.replays.iter().enumerate() {
        let Some(life) = life(room, item, world.started) else { continue };
        let expired = now >= life.expire && !world.scenario.vod.list_expired;
        if now < life.listed || expired {
            continue;
        }
        let id = address::media_id(index, &account.appid, room.id, item);
        let url = media_url(world, account, &id, replay);
        let row = replay_row(&world.scenario.wechat, replay, life, &url);
        rows.extend(std::iter::repeat_n((life.create, row), replay.copies.max(1)));
    }
    rows.sort_by_key(|(create, _)| Reverse(*create));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn replay_row(habits: &WeChat, replay: &Replay, life: Life, url: &str) -> Value {
    let (create, expire) = styled(replay.time_style, life);
    let mut row = json!({ "create_time": create, "expire_time": expire, "media_url": url });
    add_junk(habits, &mut row);
    trim(&mut row, replay.omit.iter(), &replay.raw);
    row
}

/// Both times in the given style.
fn styled(style: TimeStyle, Life { create, expire, .. }: Life) -> (Value, Value) {
    let utc = |at: Timestamp| Value::from(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let beijing = |at: Timestamp| {
        let there = at.to_zoned(TimeZone::fixed(Offset::constant(8)));
        Value::from(there.strftime("%Y-%m-%dT%H:%M:%S").to_string())
    };
    match style {
        TimeStyle::Utc => (utc(create), utc(expire)),
        TimeStyle::Beijing => (beijing(create), beijing(expire)),
        TimeStyle::Epoch => (create.as_second().into(), expire.as_second().into()),
        TimeStyle::EpochMillis => (create.as_millisecond().into(), expire.as_millisecond().into()),
        TimeStyle::Sentinel => ("2106-02-07T14:28:15".into(), "2116-02-05T14:28:15".into()),
        TimeStyle::Never => (utc(create), "9999-12-31T23:59:59Z".into()),
        TimeStyle::Empty => ("".into(), "".into()),
        TimeStyle::Null => (Value::Null, Value::Null),
    }
}

fn media_url(world: &World, account: &Account, id: &str, replay: &Replay) -> String {
    if let Some(url) = &replay.media_url {
        return url.clone();
    }
    let folder = address::folder(&account.appid);
    let path = format!("/{folder}/{id}/{}", address::file_name(replay.kind));
    let query = replay.signed.map(|Span(life)| {
        let until = world.clock.now().saturating_add(life).unwrap_or(Timestamp::MAX);
        let us = address::digest(&["us", &until.to_string()]);
        format!("?{}", address::sign(&path, until, us.get(..10).unwrap_or_default()))
    });
    format!("{}{path}{}", media_base(world), query.unwrap_or_default())
}

/// Turns every listed URL into that of a preview of half a minute, in Tencent VOD's form.
pub fn list_previews(reply: &mut Value) {
    let rows = reply.get_mut("live_replay").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten() {
        let Some(Value::String(url)) = row.get_mut("media_url") else { continue };
        let sign = if url.contains('?') { '&' } else { '?' };
        url.push_str(&format!("{sign}exper=30"));
    }
}

fn picture_url(world: &World, room: i64, role: &str) -> String {
    format!("{}/mmbiz_jpg/{room}/{role}/0", media_base(world))
}

fn media_base(world: &World) -> String {
    world.scenario.vod.base.replace("{vod}", &world.vod.to_string())
}

/// Adds undocumented fields, of types that a strict parser trips over.
fn add_junk(habits: &WeChat, value: &mut Value) {
    if let (true, Value::Object(fields)) = (habits.junk_fields, value) {
        fields.insert("__junk".into(), json!({ "nested": [1, null, { "深": true }] }));
        fields.insert("ext_info".into(), "{\"escaped\":\"\\u0000\"}".into());
        fields.insert("big_number".into(), json!(u64::MAX));
    }
}

/// Removes fields and adds raw ones.
fn trim<'a>(row: &mut Value, omit: impl Iterator<Item = &'a String>, raw: &toml::Table) {
    let Value::Object(fields) = row else { return };
    for key in omit {
        fields.shift_remove(key);
    }
    for (key, value) in raw {
        fields.insert(key.clone(), serde_json::to_value(value).unwrap_or_default());
    }
}
