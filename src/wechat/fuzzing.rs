//! The fuzz target of replies from WeChat and from token servers.

use secrecy::SecretString;
use serde_json::Value;

use super::codes::Call;
use super::error::Error;
use super::lenient;
use super::source::{SourceKind, read};
use super::wire::{ApiQuota, MOST_ROWS, ReplayPage, RoomPage};
use crate::model::MediaUrl;
use crate::retry::Transient as _;

/// A secret that no error may show, wherever it is in a reply.
const SECRET: &str = "canary-token-77aa31c4f09be2d855aa01c4f09be2d8";

/// Parses a body as each kind of reply. Checks that all rows are accounted for and no error shows a
/// secret.
pub(crate) fn reply(body: &[u8]) {
    let secret = SecretString::from(SECRET);
    if let Some(Value::Object(fields)) = lenient::parse(body) {
        let code = lenient::int(&fields, "errcode").unwrap_or(0);
        let errmsg = lenient::text(&fields, "errmsg").unwrap_or_default();
        shown(&Error::api(Call::Rooms, code, errmsg, &[&secret]));
        if let Some(appid) = "wx1".parse().ok()
            && let Ok(page) = RoomPage::read(&appid, 0, &fields)
        {
            assert_eq!(page.rooms.len() as u64 + page.skipped, page.received);
            assert!(page.rooms.iter().all(|room| room.room_id.0 > 0 && room.images.len() <= 4));
        }
        if let Ok(page) = ReplayPage::read(&fields) {
            assert!(page.replays.len() <= MOST_ROWS);
            for replay in &page.replays {
                let _ = MediaUrl::parse(&replay.media_url).map(|url| url.source_id());
                assert!(!format!("{replay:?}").contains("sign="));
            }
        }
        let _ = ApiQuota::read(&fields);
    }
    for call in [Call::Rooms, Call::StableToken] {
        shown(&Error::unreadable(call, "not a JSON object", body, &[&secret]));
    }
    match read(jiff::Timestamp::UNIX_EPOCH, SourceKind::Url, body, &[secret]) {
        Ok(fetched) => assert!(!format!("{fetched:?}").contains("canary")),
        Err(error) => shown(&error),
    }
}

fn shown(error: &Error) {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(SECRET), "{text}");
    let line = error.to_string().replace("\nhint: ", "");
    assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    let _ = (error.class(), error.is_transient(), error.retry_after());
}
