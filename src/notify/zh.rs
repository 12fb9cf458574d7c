//! Messages in Chinese.

use jiff::Timestamp;

use super::facts::{Ahead, Fact, Head, Rooms};
use super::neutral;
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
            format!("{}微信将删除 {}（{why}）", when(*ahead), replays(rooms))
        }
        Fact::Paused { since, rooms, ahead } => paused(*since, rooms, *ahead),
        Fact::Mismatches(count) => {
            format!("{count} 个文件缺失或损坏：请运行 backfill --room 房间号 --force 修复")
        }
        Fact::Failed { rooms, message } => {
            let why = neutral::line(message);
            if rooms.count == 0 {
                format!("失败：{why}")
            } else {
                format!("失败：{}：{why}", what(rooms))
            }
        }
        Fact::MoreCauses(count) => format!("另有 {count} 类失败，详见运行日志"),
        Fact::Hint(hint) => format!("建议：{}", neutral::line(hint)),
        Fact::Left(rooms) => format!("还有 {rooms} 个直播间留待下次运行"),
        Fact::LostBefore(recordings) => {
            format!("此前已丢失的 {recordings} 个回放尚未确认（确认命令：ack）")
        }
        Fact::Archived { rooms, bytes, took_ms } => format!(
            "本次处理 {rooms} 个直播间，下载 {}，用时 {}",
            bytesize::ByteSize::b(*bytes).display().iec(),
            took(*took_ms)
        ),
        Fact::Calls(calls) => {
            format!(
                "今日接口调用：已用 {}，还可用 {}（上限 {}）",
                calls.used, calls.left, calls.limit
            )
        }
        Fact::Recovered(appids) => {
            let appids: Vec<_> = appids.iter().map(AppId::as_str).collect();
            match &appids[..] {
                [] => "此前的问题已经解决".to_owned(),
                appids => format!("此前的问题已经解决：{}", appids.join("、")),
            }
        }
        Fact::Stale(appid, Some(at)) => {
            format!("账号 {appid} 上次运行归档是 {}：请检查运行归档的机器", moment(*at))
        }
        Fact::Stale(appid, None) => format!("账号 {appid} 从未运行过归档：请检查运行归档的机器"),
        Fact::Earlier { at, head } => {
            let ended = match head {
                Head::Outcome(outcome) => ended(*outcome),
                _ => "",
            };
            format!("此前未能送达的消息（{}）：{ended}", moment(*at))
        }
    }
}

fn paused(since: Timestamp, rooms: &Rooms, ahead: Option<Ahead>) -> String {
    let paused = format!("微信不再授权该账号，自 {} 起暂停归档", moment(since));
    match ahead {
        Some(ahead) => {
            format!("{paused}。面临删除：{}，最早的在 {}", replays(rooms), when(ahead))
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
        Ahead::Past => "现在".to_owned(),
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
