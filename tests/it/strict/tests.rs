//! The fake itself: what it refuses, and that it remembers.

use axum::http::Method;

use super::{Provider, StrictS3};

#[tokio::test]
async fn what_is_not_signed_is_refused_and_remembered() {
    let store = StrictS3::start(Provider::Aws).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let url = format!("{}/replays/a", store.endpoint());
        let reply = client.request(method, url).body("x").send().await.unwrap();
        assert_eq!(reply.status(), 403);
    }
    assert_eq!(store.violations().len(), 3);
    assert_eq!(store.requests().len(), 3);
    assert!(store.objects().is_empty());
}
