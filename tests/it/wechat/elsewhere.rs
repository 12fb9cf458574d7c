//! Tokens that others keep, and those of a third-party platform, against the sandbox.

use replay_archiver::sandbox::scenario::Scenario;
use replay_archiver::sandbox::{Listen, Sandbox};
use replay_archiver::wechat::{Component, Kept, Refresher};
use serde_json::Value;

use super::*;
use crate::net::redis::Redis;

const PASSWORD: &str = "canary-of-redis";

/// A platform with three accounts, of which the last has not authorised it.
async fn sandbox() -> (Sandbox, Url) {
    let account = |number: u8, more: &str| {
        format!("[[account]]\nappid = \"wx{number}\"\nsecret = \"{SECRET}\"\n{more}")
    };
    let text = format!(
        "now = \"2026-11-22T03:00:20Z\"\n[platform]\nappid = \"wxplatform\"\nsecret = \"{SECRET}\"\n{}{}{}",
        account(1, ""),
        account(2, ""),
        account(3, "authorized = false\n"),
    );
    let sandbox = Sandbox::start(Scenario::parse(&text).unwrap(), Listen::default()).await.unwrap();
    let url = Url::parse(&format!("http://{}", sandbox.api_addr())).unwrap();
    (sandbox, url)
}

fn only_refresher(ticket: &str) -> Arc<Component> {
    let (secret, ticket) = (SecretString::from(SECRET), Kept::Value(ticket.into()));
    let refresher = Refresher::Here { secret, ticket };
    Arc::new(Component::new("wxplatform".parse().unwrap(), refresher))
}

fn asked(sandbox: &Sandbox, path: &str) -> usize {
    sandbox.calls().iter().filter(|call| call.path.ends_with(path)).count()
}

#[tokio::test]
async fn a_platform_lists_its_accounts_and_gives_each_a_token_with_as_few_calls_as_possible() {
    let (sandbox, url) = sandbox().await;
    let (component, api) =
        (only_refresher(&sandbox.ticket()), Api::new(&settings(&url), clock()).unwrap());
    let listed = api.authorizers(&component).await.unwrap();
    assert_eq!(
        listed.iter().map(replay_archiver::model::AppId::as_str).collect::<Vec<_>>(),
        ["wx1", "wx2"]
    );
    for appid in listed {
        let client = api.client(appid, TokenSource::Component(Arc::clone(&component)));
        for _ in 0..2 {
            assert!(client.rooms(0).await.unwrap().end);
        }
    }
    let calls = ["api_component_token", "api_get_authorizer_list", "api_authorizer_token"];
    assert_eq!(calls.map(|call| asked(&sandbox, call)), [1, 1, 2]);
}

#[tokio::test]
async fn an_account_that_has_not_authorised_the_platform_is_told_apart() {
    let (sandbox, url) = sandbox().await;
    let (component, api) =
        (only_refresher(&sandbox.ticket()), Api::new(&settings(&url), clock()).unwrap());
    let source = || TokenSource::Component(Arc::clone(&component));
    let error = api.client("wx3".parse().unwrap(), source()).rooms(0).await.unwrap_err();
    assert_eq!(error.unauthorized(), Some(61_003), "{}", all_text(&error));
    assert!(all_text(&error).contains("hint: have the account's owner authorise it again"));
    // One that withdraws while this program has its refresh token.
    let client = api.client("wx1".parse().unwrap(), source());
    client.rooms(0).await.unwrap();
    sandbox.update(|scenario| scenario.accounts[0].authorized = false);
    let error = client.rooms(0).await.unwrap_err();
    assert_eq!(error.unauthorized(), Some(61_003));
}

#[tokio::test]
async fn an_old_ticket_is_told_and_no_secret_is_shown() {
    let (sandbox, url) = sandbox().await;
    let ticket = sandbox.ticket();
    sandbox.clock().advance(Duration::from_secs(13 * 3600));
    let api = Api::new(&settings(&url), clock()).unwrap();
    let error = api.authorizers(&only_refresher(&ticket)).await.unwrap_err();
    let text = all_text(&error);
    assert!(text.contains("61005") && text.contains("component_verify_ticket is old"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains(&ticket), "{text}");
}

#[tokio::test]
async fn who_is_not_the_only_refresher_asks_for_no_token_and_reads_the_one_that_is_kept() {
    let (sandbox, url) = sandbox().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = serde_json::json!({ "component_appid": "wxplatform", "component_appsecret": SECRET,
        "component_verify_ticket": sandbox.ticket() });
    let path = format!("{url}cgi-bin/component/api_component_token");
    let reply = http.post(path).body(body.to_string()).send().await.unwrap();
    let reply: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    let redis = Redis::start(PASSWORD).await;
    redis.set("component", reply["component_access_token"].as_str().unwrap());
    let kept = Kept::Redis { url: redis.url(PASSWORD).into(), key: "component".to_owned() };
    let component = Component::new("wxplatform".parse().unwrap(), Refresher::Other(kept));
    let api = Api::new(&settings(&url), clock()).unwrap();
    assert_eq!(api.authorizers(&component).await.unwrap().len(), 2);
    assert_eq!(asked(&sandbox, "api_component_token"), 1, "that of this test");
}

fn of_redis(redis: &Redis, password: &str, key: &str) -> TokenSource {
    TokenSource::Redis { url: redis.url(password).into(), key: key.to_owned() }
}

#[tokio::test]
async fn a_token_in_redis_is_read_before_every_call_and_nothing_is_written() {
    let redis = Redis::start(PASSWORD).await;
    redis.set("authorizer_access_token_wx1", "t1");
    let server = Server::start([ok(ROOMS)], []).await;
    let client = client(&server.url, of_redis(&redis, PASSWORD, "authorizer_access_token_wx1"));
    client.rooms(0).await.unwrap();
    redis.set("authorizer_access_token_wx1", "\"t2\"");
    client.rooms(0).await.unwrap();
    let used: Vec<_> =
        server.seen(LIVE).iter().map(|request| request.query("access_token").unwrap()).collect();
    assert_eq!(used, ["t1", "t2"]);
    assert_eq!(redis.read(), ["authorizer_access_token_wx1"; 2]);
    let harmless =
        |command: &String| ["CLIENT", "AUTH", "SELECT", "GET", "HELLO"].contains(&command.as_str());
    assert!(redis.commands().iter().all(harmless), "{:?}", redis.commands());
}

#[tokio::test]
async fn what_redis_refuses_or_lacks_is_told_without_the_address() {
    let redis = Redis::start(PASSWORD).await;
    let server = Server::start([ok(ROOMS)], []).await;
    let error = |source| {
        let client = client(&server.url, source);
        async move { all_text(&client.rooms(0).await.unwrap_err()) }
    };
    let missing = error(of_redis(&redis, PASSWORD, "nobody")).await;
    assert!(missing.contains("Redis has no key \"nobody\""), "{missing}");
    let wrong = error(of_redis(&redis, "canary-guess", "nobody")).await;
    assert!(wrong.contains("failed to read the token from Redis"), "{wrong}");
    let url = SecretString::from("redis://:canary-guess@127.0.0.1:1/0");
    let nobody = error(TokenSource::Redis { url, key: "k".to_owned() }).await;
    assert!(nobody.contains("hint: check [redis] url"), "{nobody}");
    for text in [missing, wrong, nobody] {
        assert!(!text.contains("canary"), "{text}");
    }
}
