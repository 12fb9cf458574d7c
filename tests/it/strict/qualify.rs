//! Is the strict store like the real ones? One script of requests, and what each store answers.
//!
//! The answers of Garage, moto and Ceph are recorded in `fixtures/stores`. The strict store has to give
//! the same, but where a line of `differences.txt` there says otherwise, and why. Where
//! `REPLAY_ARCHIVER_TEST_STORES=garage=http://…,moto=http://…` names running stores, each with an
//! empty bucket `replays` and its keys in `REPLAY_ARCHIVER_TEST_GARAGE_KEY` and `…_SECRET`, they
//! are asked again, and have to answer what is recorded.

mod script;

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use jiff::{SignedDuration, Timestamp};
use replay_archiver::clock::Clock;
use sha2::Digest as _;

use super::checksum::Algorithm;
use super::signature::{escape, sign};
use super::state::{md5_hex, sha256_hex};
use super::{ACCESS_KEY, BUCKET, Provider, SECRET_KEY, StrictS3};
use script::{Lie, SCRIPT, Step};

/// Who is asked, and with which keys.
struct Server {
    endpoint: String,
    key: String,
    secret: String,
}

/// What later steps use of earlier answers.
#[derive(Default)]
struct Memory {
    upload: String,
    etags: BTreeMap<String, String>,
}

const PART: usize = 5 << 20;

/// The bodies that steps name.
fn body(name: &str, memory: &Memory) -> Vec<u8> {
    let list = |parts: &[(u32, &str)]| {
        let part = |(number, etag): &(u32, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let parts: String = parts.iter().map(part).collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").into_bytes()
    };
    let etag = |number: &str| memory.etags.get(number).map_or("none", String::as_str);
    match name {
        "large" => vec![b'r'; PART],
        "good list" => list(&[(1, etag("1")), (2, etag("2"))]),
        "small list" => list(&[(2, etag("2")), (3, etag("3"))]),
        "wrong order" => list(&[(2, etag("2")), (1, etag("1"))]),
        "wrong etag" => list(&[(1, etag("1")), (2, "\"00000000000000000000000000000bad\"")]),
        "missing part" => list(&[(1, etag("1")), (7, etag("2"))]),
        other => other.as_bytes().to_vec(),
    }
}

/// The value of a header that is to be computed of the body.
fn value(text: &str, body: &[u8]) -> String {
    let Some(name) = text.strip_prefix('=') else { return text.to_owned() };
    let (name, body) = match name.strip_prefix("wrong ") {
        Some(name) => (name, &b"something else"[..]),
        None => (name, body),
    };
    match name {
        "MD5" => base64::encode(md5::Md5::digest(body)),
        name => Algorithm::from_name(name).unwrap().of(body),
    }
}

impl Server {
    /// Sends a step and says what came: the status, the code, the headers that matter.
    async fn ask(&self, step: &Step, memory: &mut Memory) -> String {
        let body = body(step.body, memory);
        let (path, query) = step.target.split_once('?').unwrap_or((step.target, ""));
        let query = query.replace("{upload}", &escape(&memory.upload, ""));
        let mut headers: BTreeMap<String, String> = step
            .headers
            .iter()
            .map(|(name, text)| ((*name).to_owned(), value(text, &body)))
            .collect();
        self.authorize(step, path, &query, &body, &mut headers);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}{path}?{query}", self.endpoint);
        let mut request = client.request(step.method.parse().unwrap(), url);
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        if step.method == "PUT" || !body.is_empty() {
            request = request.body(body);
        }
        let reply = request.send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let text = String::from_utf8_lossy(&reply.bytes().await.unwrap()).into_owned();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(id) = between(&text, "<UploadId>", "</UploadId>").filter(|_| step.keeps_id) {
            memory.upload = id.to_owned();
        }
        if let (Some(part), Some(etag)) = (between(&query, "partNumber=", "&"), header("etag")) {
            memory.etags.insert(part.to_owned(), etag.to_owned());
        }
        let mut said = status.to_string();
        if let Some(code) = between(&text, "<Code>", "</Code>") {
            said.push_str(&format!(" {code}"));
        }
        for name in step.told {
            let told = match *name {
                "keys" => text.matches("<Key>").count().to_string(),
                "parts" => text.matches("<PartNumber>").count().to_string(),
                "body" => md5_hex(text.as_bytes()),
                name => header(name).unwrap_or("-").to_owned(),
            };
            said.push_str(&format!(" {name}={told}"));
        }
        said
    }

    fn authorize(
        &self,
        step: &Step,
        path: &str,
        query: &str,
        body: &[u8],
        headers: &mut BTreeMap<String, String>,
    ) {
        if step.lie == Some(Lie::Unsigned) {
            return;
        }
        let lie = |lie: Lie| step.lie == Some(lie);
        let age =
            if lie(Lie::OldDate) { SignedDuration::from_hours(1) } else { SignedDuration::ZERO };
        let at: Timestamp = Clock::system().now() - age;
        let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let region = if lie(Lie::Region) { "eu-nowhere-7" } else { "us-east-1" };
        let scope = format!("{}/{region}/s3/aws4_request", &date[..8]);
        let hash = sha256_hex(if lie(Lie::Hash) { b"something else" } else { body });
        headers.insert("host".into(), self.endpoint.replace("http://", ""));
        headers.insert("x-amz-date".into(), date.clone());
        headers.insert("x-amz-content-sha256".into(), hash.clone());
        let names: Vec<&str> = headers.keys().map(String::as_str).collect();
        let names = names.join(";");
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let mut pairs: Vec<String> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
            .collect();
        pairs.sort();
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{names}\n{hash}",
            step.method,
            escape(path, "/"),
            pairs.join("&")
        );
        let secret = if lie(Lie::Secret) { "another" } else { &self.secret };
        let key = if lie(Lie::Key) { "GK999999999999999999999999" } else { &self.key };
        let signature = sign(&canonical, &date, &scope, secret);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        headers.insert("authorization".into(), authorization);
    }

    /// The answers to the whole script, a line each.
    async fn answers(&self) -> Vec<String> {
        let mut memory = Memory::default();
        let mut answers = Vec::new();
        for step in SCRIPT {
            let said = self.ask(step, &mut memory).await;
            answers.push(format!("{}: {said}", step.name));
        }
        answers
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    Some(rest.split_once(to).map_or(rest, |(found, _)| found))
}

/// The stores whose answers are recorded, and whose manners the strict store has then.
const RECORDED: [(&str, Provider); 3] =
    [("garage", Provider::Garage), ("moto", Provider::Aws), ("ceph", Provider::Ceph)];

#[expect(clippy::disallowed_methods, reason = "tests are told of servers by the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The running stores that the environment names.
fn running() -> Vec<(String, Server)> {
    let stores = variable("REPLAY_ARCHIVER_TEST_STORES").unwrap_or_default();
    let entries = stores.split(',').filter_map(|entry| entry.split_once('='));
    let server = |(name, endpoint): (&str, &str)| {
        let of = |what: &str| {
            let name = format!("REPLAY_ARCHIVER_TEST_{}_{what}", name.to_uppercase());
            variable(&name).unwrap_or_else(|| panic!("{name} is not set"))
        };
        let (key, secret) = (of("KEY"), of("SECRET"));
        (name.to_owned(), Server { endpoint: endpoint.to_owned(), key, secret })
    };
    entries.map(server).collect()
}

#[tokio::test]
async fn the_strict_store_answers_as_the_real_ones_do() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/stores");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}.txt")).unwrap();
    let known = read("differences");
    let mut differences = Vec::new();
    for (name, provider) in RECORDED {
        let store = StrictS3::start(provider).await;
        let (key, secret) = (ACCESS_KEY.to_owned(), SECRET_KEY.to_owned());
        let server = Server { endpoint: store.endpoint(), key, secret };
        let recorded = read(name);
        assert_eq!(recorded.lines().count(), SCRIPT.len(), "{name}");
        for (ours, real) in server.answers().await.iter().zip(recorded.lines()) {
            let other = format!("{name} | {ours}");
            if ours != real && !known.lines().any(|line| line == other) {
                differences.push(format!("{other} ; but {real}"));
            }
        }
        let takes_any_region = provider.is_region("eu-nowhere-7");
        let is_refused =
            |step: &&Step| step.is_wrong && !(takes_any_region && step.lie == Some(Lie::Region));
        let refused = SCRIPT.iter().filter(is_refused).count();
        assert_eq!(store.violations().len(), refused, "{name}: {:#?}", store.violations());
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[tokio::test]
async fn the_real_stores_answer_as_recorded_where_they_run() {
    for (name, server) in running() {
        let file = format!("{}/tests/it/fixtures/stores/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let recorded = std::fs::read_to_string(file).unwrap();
        let answers = server.answers().await.join("\n");
        let recorded = recorded.trim_end();
        assert!(
            answers == recorded,
            "{name} of {BUCKET} answers\n{answers}\n\nrecorded\n{recorded}"
        );
    }
}
