//! Names that mean what a test says, and something else the next time.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use replay_archiver::media::source::{FetchProblem, MediaClient, Settings};
use replay_archiver::model::MediaUrl;
use replay_archiver::net_guard::{HostPolicy, Refusal, Timeouts};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::canary::Canary;
use crate::net::{Reply, Server};

/// A public address of a block that nobody was given: whoever connects to it reaches nothing.
const NOWHERE: &str = "2d00::1";

/// Answers one after the other; the last one is given for ever.
pub struct Names {
    answers: Vec<Vec<IpAddr>>,
    asked: Mutex<usize>,
}

impl Names {
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parsed = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(parsed).collect(), asked: Mutex::default() })
    }

    pub fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

impl Resolve for Names {
    fn resolve(&self, _: Name) -> Resolving {
        let mut asked = self.asked.lock().unwrap();
        let answer = self.answers[(*asked).min(self.answers.len() - 1)].clone();
        *asked += 1;
        let addresses = answer.into_iter().map(|ip| SocketAddr::new(ip, 0));
        Box::pin(async move { Ok(Box::new(addresses) as Addrs) })
    }
}

/// A client that may go where the patterns say, and believes `names`.
pub fn client(patterns: &[String], names: Arc<Names>) -> MediaClient {
    let hosts = HostPolicy::parse(patterns).unwrap();
    let timeouts = Timeouts { connect: Duration::from_millis(500), read: Duration::from_secs(30) };
    MediaClient::with_names(&Settings { hosts, timeouts, proxy: None }, names).unwrap()
}

/// Addresses that are not the public internet's, in every block and every disguise.
const INNER: [&str; 36] = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "169.254.0.23",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::1",
    "2001:0:7f00:1::1",
    "2001:db8::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
    "3fff::1",
];

fn pattern_of(canary: &Canary) -> Vec<String> {
    vec![format!("*.example.com:{}", canary.port())]
}

fn url_of(canary: &Canary) -> MediaUrl {
    MediaUrl::parse(&format!("http://a.example.com:{}/f0.mp4", canary.port())).unwrap()
}

#[tokio::test]
async fn a_name_with_an_inner_address_is_not_connected_to() {
    let canary = Canary::on("127.0.0.1:0");
    for inner in INNER {
        let client = client(&pattern_of(&canary), Names::new(&[&[inner]]));
        let error = client.open(&url_of(&canary), 10).await.unwrap_err();
        let meant: IpAddr = inner.parse().unwrap();
        let is_refused = matches!(&error.problem, FetchProblem::Blocked(Refusal::Address { address, .. })
            if *address == meant);
        assert!(is_refused, "{inner}: {error}");
        canary.assert_untouched(inner);
    }
}

#[tokio::test]
async fn a_name_that_comes_to_mean_an_inner_address_is_not_followed_there() {
    let canary = Canary::on("127.0.0.1:0");
    let flips: [&[&[&str]]; 5] = [
        &[&[NOWHERE], &["127.0.0.1"]],
        &[&[NOWHERE], &[NOWHERE], &["127.0.0.1"], &[NOWHERE], &["::ffff:127.0.0.1"]],
        &[&["127.0.0.1", NOWHERE]],
        &[&[NOWHERE, "127.0.0.1"]],
        &[&[], &["127.0.0.1"]],
    ];
    for answers in flips {
        let names = Names::new(answers);
        let client = client(&pattern_of(&canary), names.clone());
        for _ in 0..3 {
            assert!(client.open(&url_of(&canary), 10).await.is_err(), "{answers:?}");
            assert!(client.small(&url_of(&canary), 10).await.is_err(), "{answers:?}");
        }
        assert!(names.asked() >= 6, "{answers:?}: each connection asks anew");
        canary.assert_untouched(&format!("{answers:?}"));
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
    let ten = |_: &_| Reply::new(206).header("Content-Range", "bytes 0-9/10").body(&[7; 10]);
    let host = Server::start(ten).await;
    let later = Canary::on(&format!("127.0.0.2:{}", host.port()));
    // Https and http, a connection each: who asked twice for one would come to the second address.
    let names = Names::new(&[&["127.0.0.1"], &["127.0.0.1"], &["127.0.0.2"]]);
    let client = client(&[format!("media.internal:{}", host.port())], names.clone());
    let url = MediaUrl::parse(&format!("http://media.internal:{}/f0.mp4", host.port())).unwrap();
    assert!(client.open(&url, 10).await.is_ok());
    assert_eq!((names.asked(), host.greetings(), host.requests().len()), (2, 1, 1));
    later.assert_untouched("both connections were made to the first address");
}

#[tokio::test]
async fn a_redirect_to_a_name_with_an_inner_address_is_not_followed() {
    let canary = Canary::on("127.0.0.1:0");
    let port = canary.port();
    let target = format!("http://b.example.com:{port}/f0.mp4");
    let host = Server::start(move |_| Reply::new(302).header("Location", &target)).await;
    for inner in ["127.0.0.1", "::ffff:127.0.0.1"] {
        let names = Names::new(&[&[inner]]);
        let patterns = [pattern_of(&canary), vec![host.authority()]].concat();
        let client = client(&patterns, names.clone());
        let error = client.open(&host.url("/f0.mp4"), 10).await.unwrap_err();
        assert!(matches!(error.problem, FetchProblem::Blocked(Refusal::Address { .. })), "{error}");
        assert!(names.asked() > 0);
        canary.assert_untouched(inner);
    }
}
