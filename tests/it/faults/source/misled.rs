//! Ways to somewhere else.

use super::super::check::{Row, SMALL, scripted};
use super::super::expect::{Expect, failed, hinted, rejected};
use super::lasting;

pub fn rows() -> Vec<Row> {
    let to = |name: &str, to: &str, expect: Expect| {
        lasting(name, SMALL, &format!("{{ redirect = {{ to = \"{to}\" }} }}"), expect)
    };
    let preview =
        "on = \"api\"\ncall = \"replays\"\nroom = 2\ntimes = \"always\"\nthen = \"preview\"";
    vec![
        to("a loop of redirects", "?hop=1", failed("more than 5 redirects")),
        to(
            "a redirect into the network",
            "http://10.0.0.7/f0.mp4",
            hinted(rejected("10.0.0.7 is not allowed"), "allow_hosts"),
        ),
        to(
            "a redirect to the metadata",
            "http://169.254.169.254/latest/meta-data",
            hinted(rejected("169.254.169.254 is not allowed"), "allow_hosts"),
        ),
        to(
            "a redirect to a host that is not allowed",
            "https://elsewhere.example/f0.mp4",
            hinted(rejected("elsewhere.example is not allowed"), "allow_hosts"),
        ),
        to(
            "a redirect to another scheme",
            "file:///etc/passwd",
            failed("the host answered with status 302"),
        ),
        scripted("a preview", SMALL, &[preview.to_owned()], rejected("truncated preview")),
    ]
}
