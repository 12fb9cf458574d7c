//! Where access tokens come from, and when they are fetched again.

use super::*;

#[tokio::test]
async fn twenty_calls_at_once_fetch_one_token() {
    let server = Server::start([ok(ROOMS)], [token_answer("t1")]).await;
    let client = client(&server.url, stable_token());
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        calls.spawn(async move { client.rooms(0).await });
    }
    for page in calls.join_all().await {
        page.unwrap();
    }
    assert_eq!(server.seen(LIVE).len(), 20);
    let fetches = server.seen(STABLE_TOKEN);
    assert_eq!(fetches.len(), 1);
    assert_eq!(
        fetches[0].body,
        r#"{"grant_type":"client_credential","appid":"wx1","secret":"canary-secret","force_refresh":false}"#
    );
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let server = Server::start([ok(ROOMS)], [token_answer("t1"), token_answer("t2")]).await;
    let clock = clock();
    let account = "wx1".parse().unwrap();
    let client =
        Api::new(&settings(&server.url), clock.clone()).unwrap().client(account, stable_token());
    client.rooms(0).await.unwrap();
    clock.advance(SignedDuration::from_secs(6899));
    client.rooms(0).await.unwrap();
    assert_eq!(client.check_token().await.unwrap().left, Some(Duration::from_secs(301)));
    clock.advance(SignedDuration::from_secs(2));
    client.rooms(0).await.unwrap();
    assert_eq!(tokens_used(&server), ["t1", "t1", "t2"]);
}

fn tokens_used(server: &Server) -> Vec<String> {
    server.seen(LIVE).iter().map(|request| request.query("access_token").unwrap()).collect()
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_through_the_callers_retries() {
    for code in [40001, 40014, 42001] {
        let live = [refusal(code, "expired"), ok(ROOMS)];
        let server = Server::start(live, [token_answer("t1"), token_answer("t2")]).await;
        let client = client(&server.url, stable_token());
        let page = retry::with(&QUICK, "rooms", || client.rooms(0)).await.unwrap();
        assert_eq!(page.received, 1);
        assert_eq!(tokens_used(&server), ["t1", "t2"], "{code}");
    }
}

#[tokio::test]
async fn a_second_refusal_in_a_row_lasts() {
    let server = Server::start([refusal(40001, "invalid")], [token_answer("t1")]).await;
    let client = client(&server.url, stable_token());
    let error = retry::with(&QUICK, "rooms", || client.rooms(0)).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::TokenRefused { code: 40001, .. }), "{text}");
    assert!(text.lines().last().unwrap().starts_with("hint: "), "{text}");
    assert_eq!((server.seen(LIVE).len(), server.seen(STABLE_TOKEN).len()), (2, 2));
}

#[tokio::test]
async fn a_success_between_refusals_gives_the_token_another_chance() {
    let live = [refusal(42001, "old"), ok(ROOMS), refusal(42001, "old"), ok(ROOMS)];
    let tokens = ["t1", "t2", "t3"].map(token_answer);
    let server = Server::start(live, tokens).await;
    let client = client(&server.url, stable_token());
    for _ in 0..2 {
        retry::with(&QUICK, "rooms", || client.rooms(0)).await.unwrap();
    }
    assert_eq!(tokens_used(&server), ["t1", "t2", "t2", "t3"]);
}

#[tokio::test]
async fn calls_refused_together_fetch_one_new_token() {
    let mut live = vec![refusal(42001, "expired"); 8];
    live.push(ok(ROOMS));
    let server = Server::start(live, [token_answer("t1"), token_answer("t2")]).await;
    let client = client(&server.url, stable_token());
    client.check_token().await.unwrap();
    let first = futures::future::join_all((0..8).map(|_| client.rooms(0))).await;
    assert!(first.iter().all(|result| result.as_ref().unwrap_err().is_transient()));
    for result in futures::future::join_all((0..8).map(|_| client.rooms(0))).await {
        result.unwrap();
    }
    assert_eq!(server.seen(STABLE_TOKEN).len(), 2);
}

#[tokio::test]
async fn a_token_that_was_written_down_is_refused_for_good() {
    let (server, client) = answering(refusal(40001, "invalid")).await;
    let error = retry::with(&QUICK, "rooms", || client.rooms(0)).await.unwrap_err();
    assert!(matches!(error, Error::TokenRefused { kind: SourceKind::Value, .. }), "{error}");
    assert!(error.to_string().contains("\nhint: put a fresh token"));
    assert_eq!(server.seen(LIVE).len(), 1);
}

#[tokio::test]
async fn a_token_file_is_read_anew_and_an_unchanged_one_is_refused_for_good() {
    let server = Server::start([ok(ROOMS), ok(ROOMS), refusal(40001, "invalid")], []).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let client = client(&server.url, TokenSource::File { path: file.path().to_owned() });
    for token in ["t1\n", r#"{"access_token":"t2"}"#] {
        std::fs::write(file.path(), token).unwrap();
        client.rooms(0).await.unwrap();
    }
    let error = client.rooms(0).await.unwrap_err();
    assert!(matches!(error, Error::TokenRefused { kind: SourceKind::File, .. }), "{error}");
    assert_eq!(tokens_used(&server), ["t1", "t2", "t2"]);
    assert_eq!(client.check_token().await.unwrap().left, None);
}

#[tokio::test]
async fn the_token_call_is_made_where_it_was_asked_for() {
    let server = Server::start([ok(ROOMS)], [token_answer("t1")]).await;
    let source = TokenSource::Token { secret: SecretString::from(SECRET) };
    client(&server.url, source).rooms(0).await.unwrap();
    let request = &server.seen("/cgi-bin/token")[0];
    assert_eq!(request.method, "GET");
    assert_eq!(
        request.uri.query(),
        Some("grant_type=client_credential&appid=wx1&secret=canary-secret")
    );
}

#[tokio::test]
async fn a_token_server_may_answer_in_several_forms() {
    for body in [
        r#"{"access_token":"t1","expires_in":"600"}"#,
        r#"{"code":0,"data":{"access_token":"t1","expires_in":600}}"#,
        r#"{"access_token":"t1"}"#,
        "\"t1\"",
        "t1\r\n",
    ] {
        let server = Server::start([ok(ROOMS)], [ok(body)]).await;
        let source = TokenSource::Url { url: server.url.join("/token?key=canary").unwrap() };
        let client = client(&server.url, source);
        client.rooms(0).await.unwrap();
        assert_eq!(tokens_used(&server), ["t1"], "{body}");
        let seconds = if body.contains("600") { 600 } else { 300 };
        assert_eq!(client.check_token().await.unwrap().left, Some(Duration::from_secs(seconds)));
    }
}

#[tokio::test]
async fn what_is_no_token_is_not_sent_as_one() {
    for body in ["", "<html></html>", r#"{"access_token":""}"#, "{}", "no token today", "null x"] {
        let server = Server::start([ok(ROOMS)], [ok(body)]).await;
        let source = TokenSource::Url { url: server.url.join("/token").unwrap() };
        let error = client(&server.url, source).rooms(0).await.unwrap_err();
        assert!(!error.is_transient(), "{body}");
        assert!(all_text(&error).contains("did not return an access token"), "{body}: {error:?}");
        assert!(server.seen(LIVE).is_empty(), "{body}");
    }
}

#[tokio::test]
async fn a_passing_failure_of_a_token_call_is_retried_in_here_alone() {
    let tokens = [status(502, "no"), refusal(-1, "system busy"), token_answer("t1")];
    let server = Server::start([ok(ROOMS)], tokens).await;
    client(&server.url, stable_token()).rooms(0).await.unwrap();
    assert_eq!(server.seen(STABLE_TOKEN).len(), 3);

    let server = Server::start([ok(ROOMS)], [refusal(-1, "system busy")]).await;
    let client = client(&server.url, stable_token());
    let error = retry::with(&QUICK, "rooms", || client.rooms(0)).await.unwrap_err();
    assert!(matches!(error, Error::NoToken { kind: SourceKind::StableToken, .. }), "{error}");
    assert_eq!((error.class(), error.is_transient()), (Class::Retry, false));
    assert_eq!(server.seen(STABLE_TOKEN).len(), 3);
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_named_in_the_hint() {
    let message = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist";
    let server = Server::start([], [refusal(40164, message)]).await;
    let error = client(&server.url, stable_token()).check_token().await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        cause.lines().last().unwrap().starts_with("hint: add 203.0.113.7 to the IP"),
        "{cause}"
    );
    assert_eq!(server.seen(STABLE_TOKEN).len(), 1);
}

fn command(script: &str) -> TokenSource {
    TokenSource::Command {
        program: "sh".to_owned(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".into())],
    }
}

#[tokio::test]
async fn a_command_prints_the_token() {
    for script in ["echo t1", r#"echo '{"access_token":"t1","expires_in":60}'"#] {
        let server = Server::start([ok(ROOMS)], []).await;
        let client = client(&server.url, command(script));
        client.rooms(0).await.unwrap();
        assert_eq!(tokens_used(&server), ["t1"]);
    }
}

#[tokio::test]
async fn a_command_that_fails_shows_what_it_said_but_no_secret() {
    let server = Server::start([], []).await;
    let script = "echo 'vault is sealed, token=canary-x' >&2; echo canary; exit 3";
    let error = client(&server.url, command(script)).check_token().await.unwrap_err();
    let text = all_text(&error);
    assert!(text.contains("exit status: 3: vault is sealed, token=***"), "{text}");
    assert!(!text.contains("canary"), "{text}");

    let missing = TokenSource::Command {
        program: "/no/such".to_owned(),
        arguments: Vec::new(),
        environment: Vec::new(),
    };
    let error = client(&server.url, missing).check_token().await.unwrap_err();
    assert!(all_text(&error).contains(r#"failed to run the token command "/no/such""#));
}

#[tokio::test]
async fn a_command_that_prints_without_end_is_stopped_and_one_that_complains_without_end_is_not() {
    let url = "http://127.0.0.1:9".parse().unwrap();
    for endless in ["cat /dev/zero", "while :; do echo canary; done"] {
        let error = client(&url, command(endless)).check_token().await.unwrap_err();
        let text = all_text(&error);
        assert!(text.contains("the token command returned more than 65536 bytes"), "{text}");
        assert!(text.contains("hint: expected {") && !text.contains("canary"), "{text}");
    }
    for (size, is_read) in [(65_000, true), (65_536, true), (65_537, false)] {
        let blanks = format!("head -c {} /dev/zero | tr '\\0' ' '; printf t1", size - 2);
        let outcome = client(&url, command(&blanks)).check_token().await;
        assert_eq!(outcome.is_ok(), is_read, "{size}: {outcome:?}");
    }
    let noisy = "head -c 300000 /dev/zero >&2; echo t1";
    client(&url, command(noisy)).check_token().await.unwrap();
}

#[tokio::test]
async fn a_file_without_end_is_not_read_to_it() {
    let url = "http://127.0.0.1:9".parse().unwrap();
    let source = |path: &str| TokenSource::File { path: path.into() };
    let error = client(&url, source("/dev/zero")).check_token().await.unwrap_err();
    let text = all_text(&error);
    assert!(text.contains("the token file returned more than 65536 bytes"), "{text}");
    let file = tempfile::NamedTempFile::new().unwrap();
    for (blanks, is_read) in [(65_534, true), (65_535, false)] {
        std::fs::write(file.path(), " ".repeat(blanks) + "t1").unwrap();
        let outcome = client(&url, source(file.path().to_str().unwrap())).check_token().await;
        assert_eq!(outcome.is_ok(), is_read, "{blanks}: {outcome:?}");
    }
}

// The paused clock moves on by itself while nothing but timers is waited for.
#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_is_given_up() {
    let url = "http://127.0.0.1:9".parse().unwrap();
    let error = client(&url, command("sleep 3600")).check_token().await.unwrap_err();
    assert!(all_text(&error).contains(r#"the token command "sh" took too long"#), "{error:?}");
}
