//! Messages in Chinese.

use jiff::Timestamp;

use super::facts::{Accounts, Ahead, Fact, Head, Rooms};
use super::{hints, neutral};
use crate::model::time::beijing;
use crate::model::{AppId, Outcome};

/// How it ended, in one line.
pub(super) fn title(command: &str, head: Head) -> String {
    let what = command_name(command);
    match head {
        Head::Recovered => format!("✅ 直播回放{what}：已恢复正常"),
        Head::Test => "🔔 直播回放归档：这是一条测试消息".to_owned(),
        Head::Stale => "🚨 直播回放归档：有账号长时间没有归档".to_owned(),
        Head::Outcome(outcome) => format!("{}直播回放{what}：{}", mark(outcome), ended(outcome)),
    }
}

fn command_name(command: &str) -> &'static str {
    match command {
        "backfill" => "补录",
        "verify" => "核验",
        _ => "归档",
    }
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed | Outcome::Lost | Outcome::Mismatch => "❌ ",
        Outcome::AtRisk => "⏰ ",
        Outcome::Left | Outcome::Interrupted => "⚠️ ",
        Outcome::Continuing => "⏳ ",
        Outcome::Ok => "✅ ",
    }
}

fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "运行失败",
        Outcome::Lost => "有回放已被微信删除，无法找回",
        Outcome::Mismatch => "存储桶里的文件与清单不一致",
        Outcome::Interrupted => "运行被中断，进度已保存",
        Outcome::AtRisk => "有回放可能来不及归档",
        Outcome::Left => "部分回放归档失败，下次运行会重试",
        Outcome::Continuing => "一切正常，下次运行接着归档",
        Outcome::Ok => "全部完成",
    }
}

/// One fact in words.
pub(super) fn line(fact: &Fact) -> String {
    match fact {
        Fact::Account(appid) => format!("【账号 {appid}】"),
        Fact::Lost(rooms) => format!("已永久丢失：{}", what(rooms)),
        Fact::Deadline { ahead, rooms, short_of } => {
            let why = match short_of.as_str() {
                "calls" => "接口调用次数不够",
                "throughput" => "按目前的下载速度来不及",
                _ => "此前多次尝试均失败",
            };
            match ahead {
                Ahead::Past => format!("已过微信的删除时间，尚未归档：{}：{why}", replays(rooms)),
                _ => format!("{}，微信将删除 {}：{why}", when(*ahead), replays(rooms)),
            }
        }
        Fact::Paused { since, rooms, ahead } => paused(*since, rooms, *ahead),
        Fact::MoreAtRisk(rooms) => format!("另有 {rooms} 个直播间的回放面临删除，时间更晚"),
        Fact::Mismatches { count, rooms, account } => mismatches(*count, rooms, account.as_ref()),
        Fact::Failed { accounts, rooms, message } => {
            format!("失败：{}{}", whose(accounts, rooms), neutral::line(message))
        }
        Fact::MoreCauses(count) => format!("另有 {count} 类失败，详见运行日志"),
        Fact::Hint(hint) => {
            let chinese = hints::chinese(hint);
            format!("建议：{}", neutral::own(chinese.as_ref().unwrap_or(hint)))
        }
        Fact::Left(rooms) => format!("还有 {rooms} 个直播间留待下次运行"),
        Fact::LostBefore(recordings) => {
            format!("此前已丢失的 {recordings} 个回放尚未确认（用 ack 命令确认）")
        }
        Fact::Archived { rooms, bytes, took_ms } => format!(
            "本次处理 {rooms} 个直播间{}，用时 {}",
            bytes
                .map(|bytes| format!("，下载 {}", bytesize::ByteSize::b(bytes).display().iec()))
                .unwrap_or_default(),
            took(*took_ms)
        ),
        Fact::Calls(calls) => {
            format!(
                "今日接口调用：已用 {}，本程序还可用 {}（每日上限 {}）",
                calls.used, calls.left, calls.limit
            )
        }
        Fact::Recovered(appids) => recovered(appids),
        Fact::Stale(appid, Some(at)) => {
            format!("账号 {appid} 上次归档是在 {}：请检查负责归档的机器", moment(*at))
        }
        Fact::Stale(appid, None) => format!("账号 {appid} 从未归档过：请检查负责归档的机器"),
        Fact::Earlier { at, head, command } => earlier(*at, *head, command),
    }
}

fn recovered(appids: &[AppId]) -> String {
    let appids: Vec<_> = appids.iter().map(AppId::as_str).collect();
    match &appids[..] {
        [] => "此前的问题已经解决".to_owned(),
        appids => format!("此前的问题已经解决：{}", appids.join("、")),
    }
}

fn earlier(at: Timestamp, head: Head, command: &str) -> String {
    let ended = match head {
        Head::Outcome(outcome) => ended(outcome),
        Head::Recovered => "已恢复正常",
        Head::Test | Head::Stale => "",
    };
    format!("此前未能送达的消息（{}）：{}：{ended}", moment(at), command_name(command))
}

fn mismatches(count: u64, rooms: &Rooms, account: Option<&AppId>) -> String {
    let of = account.map(|appid| format!(" --account {appid}")).unwrap_or_default();
    match rooms.named.first() {
        Some(first) => format!(
            "{count} 个文件缺失或损坏：{}：请逐个运行 backfill{of} --room {} --force 修复",
            what(rooms),
            first.room_id
        ),
        None => format!("{count} 个文件缺失或损坏：请运行 backfill{of} --room 房间号 --force 修复"),
    }
}

/// Whose failure it is: accounts if there are several, and rooms.
fn whose(accounts: &Accounts, rooms: &Rooms) -> String {
    let of_rooms = match rooms.count {
        0 => String::new(),
        count if rooms.named.is_empty() => format!("{count} 个直播间"),
        _ => what(rooms),
    };
    let named: Vec<_> = accounts.named.iter().map(AppId::as_str).collect();
    let whose = match (&named[..], of_rooms.is_empty()) {
        ([], _) => of_rooms,
        ([appid], true) if accounts.count == 1 => format!("账号 {appid}"),
        ([appid], false) if accounts.count == 1 => format!("账号 {appid} 的 {of_rooms}"),
        (named, is_all) => {
            let rest = if accounts.count > named.len() { " 等" } else { "" };
            let of = if is_all { String::new() } else { format!("的 {of_rooms}") };
            format!("{} 个账号（{}{rest}）{of}", accounts.count, named.join("、"))
        }
    };
    if whose.is_empty() { whose } else { format!("{whose}：") }
}

fn paused(since: Timestamp, rooms: &Rooms, ahead: Option<Ahead>) -> String {
    let paused = format!("微信未授权该账号调用直播接口，自 {} 起暂停归档", moment(since));
    match ahead {
        Some(ahead) => {
            format!("{paused}。面临删除：{}，最早的一个：{}", replays(rooms), when(ahead))
        }
        None => paused,
    }
}

/// Rooms whose replays are meant, though it may not be known how many there are.
fn replays(rooms: &Rooms) -> String {
    of_rooms(rooms, "的回放")
}

fn what(rooms: &Rooms) -> String {
    of_rooms(rooms, "")
}

fn of_rooms(rooms: &Rooms, unknown: &str) -> String {
    let names = rooms.named.iter().map(|room| match neutral::name(&room.name) {
        name if name.is_empty() => format!("{} 号", room.room_id),
        name => format!("{} 号「{name}」", room.room_id),
    });
    let names = names.collect::<Vec<_>>().join("、");
    let rest = match rooms.count.saturating_sub(rooms.named.len()) {
        0 => String::new(),
        _ => " 等".to_owned(),
    };
    let recordings = match rooms.recordings {
        0 => unknown.to_owned(),
        recordings => format!("的 {recordings} 个回放"),
    };
    format!("{} 个直播间{recordings}（{names}{rest}）", rooms.count)
}

fn when(ahead: Ahead) -> String {
    match ahead {
        Ahead::Past => "已到期".to_owned(),
        Ahead::Soon => "1 小时内".to_owned(),
        Ahead::Hours(hours) => format!("{hours} 小时后"),
        Ahead::Days(days) => format!("{days} 天后"),
    }
}

fn took(millis: u64) -> String {
    match millis / 60_000 {
        0 => format!("{} 秒", millis / 1000),
        minutes @ 1..60 => format!("{minutes} 分钟"),
        minutes => format!("{} 小时 {} 分钟", minutes / 60, minutes % 60),
    }
}

fn moment(at: Timestamp) -> String {
    at.to_zoned(beijing()).strftime("%-m 月 %-d 日 %H:%M").to_string()
}
