//! Tokens that others keep, and those of a third-party platform, against the sandbox.

use replay_archiver::sandbox::scenario::Scenario;
use replay_archiver::sandbox::{Listen, Sandbox};
use replay_archiver::wechat::{Component, Kept, Refresher};
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};

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

/// Clients of so many accounts of one process, with tokens from one source.
fn clients(url: &Url, clock: &Clock, accounts: u32, source: &TokenSource) -> Vec<Client> {
    let api = Api::new(&settings(url), clock.clone()).unwrap();
    let client = |number| api.client(format!("wx{number}").parse().unwrap(), source.clone());
    (1..=accounts).map(client).collect()
}

async fn all_fail(clients: &[Client]) -> Vec<String> {
    let mut said = Vec::new();
    for client in clients {
        said.push(
            replay_archiver::model::Reason::of(&client.rooms(0).await.unwrap_err()).to_string(),
        );
    }
    said
}

#[tokio::test]
async fn a_token_server_that_is_down_is_not_retried_for_every_account() {
    let answers = std::iter::repeat_n(status(503, "down"), 10).chain([ok("\"t1\"")]);
    let server = Server::start([ok(ROOMS)], answers).await;
    let url = server.url.join("/central/token?key=canary").unwrap();
    let (clock, source) = (clock(), TokenSource::Url { url });
    let clients = clients(&server.url, &clock, 40, &source);
    let said = all_fail(&clients).await;
    let asked = || server.seen("/central/token").len();
    assert_eq!(asked(), 3 * QUICK.attempts as usize, "three accounts, each with its retries");
    assert!(said.iter().all(|one| *one == said[2]), "one message for all: {said:?}");
    assert!(server.seen(LIVE).is_empty());
    // Somebody whose tokens come from elsewhere is not concerned.
    Api::new(&settings(&server.url), clock.clone())
        .unwrap()
        .client("wx9".parse().unwrap(), fixed_token())
        .rooms(0)
        .await
        .unwrap();

    clock.advance(SignedDuration::from_secs(61));
    all_fail(&clients).await;
    assert_eq!(asked(), 3 * QUICK.attempts as usize + 1, "one asks again, once");
    clock.advance(SignedDuration::from_secs(61));
    for client in &clients {
        client.rooms(0).await.unwrap();
    }
}

#[tokio::test]
async fn redis_that_is_down_and_a_server_that_cannot_be_reached_are_found_by_the_first_account() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = SecretString::from(format!("redis://{}/0", listener.local_addr().unwrap()));
    let counted = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&counted);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            drop(connection);
        }
    });
    let server = Server::start([ok(ROOMS)], []).await;
    let source = |key: &str| TokenSource::Redis { url: url.clone(), key: key.to_owned() };
    all_fail(&clients(&server.url, &clock(), 1, &source("one"))).await;
    let tries = counted.swap(0, Ordering::Relaxed);
    all_fail(&clients(&server.url, &clock(), 20, &source("one"))).await;
    assert_eq!(counted.load(Ordering::Relaxed), tries, "as often as for one account");

    let url = raw(b"").await.join("/token").unwrap();
    let said = all_fail(&clients(&server.url, &clock(), 20, &TokenSource::Url { url })).await;
    assert!(said[1..].iter().all(|one| *one == said[0]), "{said:?}");
}

#[tokio::test]
async fn a_platform_whose_list_fails_is_not_asked_again_for_each_of_its_accounts() {
    let (sandbox, url) = sandbox().await;
    sandbox.update(|scenario| {
        let text = "[[fault]]\non = \"api\"\ncall = \"authorizers\"\ntimes = \"always\"\n\
            then = { errcode = { code = -1, message = \"system busy\" } }";
        scenario.faults = Scenario::parse(text).unwrap().faults;
    });
    let api = Api::new(&settings(&url), clock()).unwrap();
    let component = only_refresher(&sandbox.ticket());
    api.authorizers(&component).await.unwrap_err();
    let list = || asked(&sandbox, "api_get_authorizer_list");
    let before = list();
    for number in 1..=20 {
        let source = TokenSource::Component(Arc::clone(&component));
        let client = api.client(format!("wx{number}").parse().unwrap(), source);
        let error = client.rooms(0).await.unwrap_err();
        assert!(all_text(&error).contains("system busy"), "{}", all_text(&error));
        assert_eq!(error.unauthorized(), None, "the account is not what is wrong");
    }
    assert_eq!((before, list()), (QUICK.attempts as usize, before));
}

#[tokio::test]
async fn a_list_of_a_platform_that_ends_early_is_an_error_and_not_a_list() {
    let (sandbox, url) = sandbox().await;
    sandbox.update(|scenario| {
        let text = "[[fault]]\non = \"api\"\ncall = \"authorizers\"\ntimes = \"always\"\n\
            then = { body = { text = '{\"total_count\":3,\"list\":[]}' } }";
        scenario.faults = Scenario::parse(text).unwrap().faults;
    });
    let api = Api::new(&settings(&url), clock()).unwrap();
    let error = api.authorizers(&only_refresher(&sandbox.ticket())).await.unwrap_err();
    assert!(all_text(&error).contains("ends after 0 of 3"), "{}", all_text(&error));
}

#[tokio::test]
async fn only_who_has_the_right_to_refresh_asks_for_tokens() {
    let (sandbox, url) = sandbox().await;
    let component = only_refresher(&sandbox.ticket());
    component.refresh_if(Box::new(|| {
        Box::pin(async { Err(replay_archiver::model::Reason::from("run 7 refreshes")) })
    }));
    let api = Api::new(&settings(&url), clock()).unwrap();
    let error = api.authorizers(&component).await.unwrap_err();
    assert!(error.is_elsewhere() && all_text(&error).contains("run 7 refreshes"));
    let client = api.client("wx1".parse().unwrap(), TokenSource::Component(component));
    let error = client.rooms(0).await.unwrap_err();
    assert!(error.is_elsewhere(), "{}", all_text(&error));
    assert_eq!(sandbox.calls().len(), 0);
}
