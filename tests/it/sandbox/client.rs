//! A plain client that knows nothing of the crate.

use replay_archiver::sandbox::scenario::Scenario;
use replay_archiver::sandbox::{Listen, Sandbox};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RANGE};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// The account that most tests use. `token` is always good.
pub const ACCOUNT: &str =
    "[[account]]\nappid = \"wx1\"\nsecret = \"s1\"\ntoken = \"good\"\ndaily_quota = 500\n";

/// A sandbox and a client for it.
pub struct Client {
    pub sandbox: Sandbox,
    pub http: reqwest::Client,
}

/// A reply, read to its end or to where it broke off.
#[derive(Debug)]
pub struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub whole: bool,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

impl Client {
    pub async fn start(scenario: &str) -> Self {
        let scenario = Scenario::parse(scenario).unwrap();
        let sandbox = Sandbox::start(scenario, Listen::default()).await.unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(HeaderMap::from_iter([(
                HeaderName::from_static("x-sandbox-admin"),
                HeaderValue::from_static("1"),
            )]))
            .build()
            .unwrap();
        Self { sandbox, http }
    }

    pub fn api(&self, path_and_query: &str) -> String {
        format!("http://{}{path_and_query}", self.sandbox.api_addr())
    }

    pub async fn post(&self, path_and_query: &str, body: impl Into<reqwest::Body>) -> Value {
        let request = self.http.post(self.api(path_and_query)).body(body);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub async fn get_json(&self, path_and_query: &str) -> Value {
        self.http.get(self.api(path_and_query)).send().await.unwrap().json().await.unwrap()
    }

    /// `getliveinfo` with a token.
    pub async fn live(&self, token: &str, body: Value) -> Value {
        let path = format!("/wxa/business/getliveinfo?access_token={token}");
        self.post(&path, body.to_string()).await
    }

    pub async fn rooms(&self, start: u64, limit: u64) -> Value {
        self.live("good", json!({ "start": start, "limit": limit })).await
    }

    pub async fn replays(&self, room: i64) -> Value {
        let body = json!({ "action": "get_replay", "room_id": room, "start": 0, "limit": 50 });
        self.live("good", body).await
    }

    /// The room's media URLs as listed.
    pub async fn urls(&self, room: i64) -> Vec<String> {
        let reply = self.replays(room).await;
        let rows = reply["live_replay"].as_array().unwrap();
        rows.iter().map(|row| row["media_url"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends a request and reads what comes, however it ends.
    pub async fn fetch(&self, request: RequestBuilder) -> Got {
        let mut response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => body.extend_from_slice(&bytes),
                Ok(None) => return Got { status, headers, body, whole: true },
                Err(_) => return Got { status, headers, body, whole: false },
            }
        }
    }

    pub async fn get(&self, url: &str) -> Got {
        self.fetch(self.http.get(url)).await
    }

    pub async fn get_range(&self, url: &str, range: &str) -> Got {
        self.fetch(self.http.get(url).header(RANGE, range)).await
    }
}
