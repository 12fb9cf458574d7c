//! Receivers that behave as each vendor's do: they check what they get, answer 200 to whatever it is, and
//! count what they took.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::canaries::API_KEY;
use crate::net::{Reply, Request, Server};

pub const SECRET: &str = "SECcanary-signing-51d0";

/// What a receiver does with a request that is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// HTTP 200, and a code that says no.
    Refuses,
    /// A status, and nothing taken.
    Fails(u16),
    /// As many times, and then it takes.
    FailsFirst(u32),
    /// No reply, on a connection that is closed.
    HangsUp,
    /// No reply, on a connection that stays open: nothing is taken.
    Silent,
    /// A page that says neither yes nor no.
    Page,
    /// As `nginx` does with bodies of more bytes than it takes.
    TakesUpTo(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    Wecom,
    Dingtalk,
    Feishu,
    Webhook,
}

struct State {
    vendor: Vendor,
    mood: Mood,
    taken: Vec<Value>,
}

/// A receiver that listens until its test ends.
pub struct Receiver {
    server: Server,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub async fn start(vendor: Vendor) -> Self {
        let state = Arc::new(Mutex::new(State { vendor, mood: Mood::Takes, taken: Vec::new() }));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| shared.lock().unwrap().answer(request)).await;
        Self { server, state }
    }

    /// Its address, which holds a key.
    pub fn url(&self) -> String {
        format!("http://{}/send?key={API_KEY}", self.server.addr)
    }

    pub fn is(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// What it took so far.
    pub fn taken(&self) -> Vec<Value> {
        self.state.lock().unwrap().taken.clone()
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.server.requests().len()
    }

    /// The texts of what it took.
    pub fn texts(&self) -> Vec<String> {
        self.taken().iter().map(text).collect()
    }

    /// The text of the one message that it took since `before`.
    #[track_caller]
    pub fn one_since(&self, before: usize) -> String {
        let texts = self.texts().split_off(before);
        assert_eq!(texts.len(), 1, "{texts:#?}");
        texts[0].clone()
    }
}

/// The text of a message of any vendor.
fn text(message: &Value) -> String {
    let places = ["/markdown/content", "/markdown/text", "/content/text", "/data/text"];
    let found = places.iter().find_map(|place| message.pointer(place)?.as_str());
    found.unwrap().to_owned()
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        match self.mood {
            Mood::Fails(status) => return Reply::full(status, "no").header("Retry-After", "1"),
            Mood::TakesUpTo(most) if request.body.len() > most => {
                return Reply::full(413, "<h1>413 Request Entity Too Large</h1>");
            }
            Mood::FailsFirst(0) | Mood::Takes | Mood::Refuses | Mood::TakesUpTo(_) => {}
            Mood::FailsFirst(times) => {
                self.mood = Mood::FailsFirst(times - 1);
                return Reply::full(503, "busy");
            }
            Mood::HangsUp => return Reply::hang_up(),
            Mood::Silent => return Reply::silence(),
            Mood::Page => return Reply::full(200, "<html>welcome</html>"),
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let verdict = match self.vendor {
            Vendor::Wecom => wecom(&body),
            Vendor::Dingtalk => dingtalk(request, &body),
            Vendor::Feishu => feishu(request, &body),
            Vendor::Webhook => webhook(request),
        };
        let refused =
            verdict.err().or((self.mood == Mood::Refuses).then_some((45009, "too often")));
        if refused.is_none() {
            self.taken.push(body);
        }
        let (code, says) = refused.unwrap_or((0, "ok"));
        match self.vendor {
            Vendor::Webhook if code != 0 => Reply::full(400, says),
            Vendor::Webhook => Reply::new(204).telling(0),
            Vendor::Feishu => reply(&json!({ "code": code, "msg": says, "data": {} })),
            _ => reply(&json!({ "errcode": code, "errmsg": says })),
        }
    }
}

fn reply(body: &Value) -> Reply {
    Reply::full(200, body.to_string())
}

type Verdict = Result<(), (i64, &'static str)>;

fn wecom(body: &Value) -> Verdict {
    let content = body["markdown"]["content"].as_str().ok_or((40008, "invalid message type"))?;
    let is_short = content.len() <= 4096 && !content.is_empty();
    if is_short { Ok(()) } else { Err((40058, "markdown.content exceed max length 4096")) }
}

fn dingtalk(request: &Request, body: &Value) -> Verdict {
    let (time, sign) = (request.query("timestamp").unwrap(), request.query("sign").unwrap());
    let expected = hmac(SECRET.as_bytes(), format!("{time}\n{SECRET}").as_bytes());
    if sign != expected {
        return Err((310_000, "sign not match"));
    }
    let text = body["markdown"]["text"].as_str().unwrap_or_default();
    match () {
        () if request.body.len() > 20_000 => Err((40_035, "too long")),
        () if !text.contains("归档机器人") => Err((310_000, "keywords not in content")),
        () => Ok(()),
    }
}

fn feishu(request: &Request, body: &Value) -> Verdict {
    let time = body["timestamp"].as_str().ok_or((9499, "Bad Request"))?;
    let expected = hmac(format!("{time}\n{SECRET}").as_bytes(), b"");
    match () {
        () if body["sign"] != expected => Err((19_021, "sign match fail")),
        () if request.body.len() > 20 << 10 => Err((9499, "too large")),
        () if body["msg_type"] != "text" => Err((9499, "Bad Request")),
        () => Ok(()),
    }
}

fn webhook(request: &Request) -> Verdict {
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    let body = std::str::from_utf8(&request.body).unwrap();
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    let expected = format!("v1,{}", hmac(SECRET.as_bytes(), signed.as_bytes()));
    let is_right =
        header("webhook-signature") == expected && header("webhook-id").starts_with("msg_");
    if is_right { Ok(()) } else { Err((1, "no matching signature found")) }
}

/// HMAC-SHA256 in base64, written from RFC 2104 alone.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::digest([&padded(0x36)[..], message].concat());
    base64(&Sha256::digest([&padded(0x5c)[..], &inner[..]].concat()))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |n, at| n << 8 | u32::from(*group.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place)) as usize & 63];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

/// Longer than telling may take.
pub const LONG: Duration = Duration::from_secs(40);
