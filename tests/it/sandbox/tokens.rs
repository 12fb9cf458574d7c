//! Access tokens and their rules.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;

const SCENARIO: &str = "now = \"2026-11-22T12:00:00Z\"\n[[account]]\nappid = \"wx1\"\n\
    secret = \"s1\"\ntoken_quota = 4\ntoken_length = 512\n";

async fn stable(client: &Client, force: bool) -> Value {
    let body = json!({ "grant_type": "client_credential", "appid": "wx1", "secret": "s1",
        "force_refresh": force });
    client.post("/cgi-bin/stable_token", body.to_string()).await
}

async fn ordinary(client: &Client) -> Value {
    client.get_json("/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=s1").await
}

async fn code(client: &Client, token: &Value) -> i64 {
    let reply = client.live(token["access_token"].as_str().unwrap(), json!({})).await;
    reply["errcode"].as_i64().unwrap()
}

fn later(client: &Client, seconds: u64) {
    client.sandbox.clock().advance(Duration::from_secs(seconds));
}

#[tokio::test]
async fn the_stable_token_stays_the_same_until_five_minutes_before_its_end() {
    let client = Client::start(SCENARIO).await;
    let first = stable(&client, false).await;
    assert_eq!(first["expires_in"], 7_200);
    assert_eq!(first["access_token"].as_str().unwrap().len(), 512);
    assert!(first.get("errcode").is_none());
    later(&client, 6_899);
    let same = stable(&client, false).await;
    assert_eq!((&same["access_token"], &same["expires_in"]), (&first["access_token"], &json!(301)));
    later(&client, 1);
    let next = stable(&client, false).await;
    assert_ne!(next["access_token"], first["access_token"]);
    assert_eq!((code(&client, &first).await, code(&client, &next).await), (9_410_000, 9_410_000));
    later(&client, 300);
    assert_eq!((code(&client, &first).await, code(&client, &next).await), (42_001, 9_410_000));
}

#[tokio::test]
async fn a_forced_refresh_ends_the_token_at_once_and_is_rationed() {
    let client = Client::start(SCENARIO).await;
    let first = stable(&client, false).await;
    let second = stable(&client, true).await;
    assert_ne!(first["access_token"], second["access_token"]);
    assert_eq!((code(&client, &first).await, code(&client, &second).await), (40_001, 9_410_000));
    assert_eq!(stable(&client, true).await["errcode"], 45_011);
    for _ in 0..19 {
        later(&client, 30);
        assert!(stable(&client, true).await["access_token"].is_string());
    }
    later(&client, 30);
    assert_eq!(stable(&client, true).await["errcode"], 45_009);
}

#[tokio::test]
async fn each_ordinary_token_ends_the_one_before_after_five_minutes_but_not_the_stable_one() {
    let client = Client::start(SCENARIO).await;
    let apart = stable(&client, false).await;
    let first = ordinary(&client).await;
    let second = ordinary(&client).await;
    assert_ne!(first["access_token"], second["access_token"]);
    later(&client, 299);
    assert_eq!(code(&client, &first).await, 9_410_000);
    later(&client, 1);
    assert_eq!(code(&client, &first).await, 40_001);
    assert_eq!(code(&client, &second).await, 9_410_000);
    assert_eq!(code(&client, &apart).await, 9_410_000);
    later(&client, 6_900);
    assert_eq!(code(&client, &second).await, 42_001);
}

#[tokio::test]
async fn the_ordinary_token_has_a_daily_quota_of_its_own() {
    let client = Client::start(SCENARIO).await;
    for _ in 0..4 {
        assert!(ordinary(&client).await["access_token"].is_string());
    }
    assert_eq!(ordinary(&client).await["errcode"], 45_009);
    assert!(stable(&client, false).await["access_token"].is_string());
    later(&client, 4 * 3_600);
    assert!(ordinary(&client).await["access_token"].is_string());
}

#[tokio::test]
async fn wrong_and_missing_credentials_are_told_apart() {
    let client = Client::start(SCENARIO).await;
    let table = [
        (json!({ "grant_type": "client_credential", "secret": "s1" }), 41_002),
        (json!({ "grant_type": "client_credential", "appid": "wx1" }), 41_004),
        (json!({ "grant_type": "client_credential", "appid": "wx9", "secret": "s1" }), 40_013),
        (json!({ "grant_type": "client_credential", "appid": "wx1", "secret": "s9" }), 40_125),
        (json!({ "grant_type": "password", "appid": "wx1", "secret": "s1" }), 40_002),
        (
            json!({ "grant_type": "client_credential", "appid": "wx1", "secret": "s1",
                "force_refresh": "yes" }),
            47_001,
        ),
    ];
    for (body, code) in table {
        let reply = client.post("/cgi-bin/stable_token", body.to_string()).await;
        assert_eq!(reply["errcode"], code, "{body}");
        if code != 47_001 {
            let query: Vec<_> = body.as_object().unwrap().iter().collect();
            let query: Vec<_> = query
                .iter()
                .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
                .collect();
            let reply = client.get_json(&format!("/cgi-bin/token?{}", query.join("&"))).await;
            assert_eq!(reply["errcode"], code, "{query:?}");
        }
    }
    assert_eq!(client.get_json("/cgi-bin/stable_token").await["errcode"], 43_002);
    assert_eq!(client.post("/cgi-bin/token", "{}").await["errcode"], 43_001);
}

#[tokio::test]
async fn an_address_off_the_allow_list_is_told_which_one_it_is() {
    let client = Client::start(&format!("{SCENARIO}ip_allow = [\"203.0.113.9\"]\n")).await;
    for reply in [stable(&client, false).await, ordinary(&client).await] {
        assert_eq!(reply["errcode"], 40_164);
        assert!(reply["errmsg"].as_str().unwrap().contains("invalid ip 127.0.0.1 "), "{reply}");
    }
    client.sandbox.update(|scenario| {
        scenario.accounts[0].ip_allow = Some(vec!["127.0.0.1".to_owned()]);
    });
    assert!(stable(&client, false).await["access_token"].is_string());
}
