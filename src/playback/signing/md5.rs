//! The vendors' signatures by MD5.

use jiff::Timestamp;
use md5::{Digest as _, Md5};
use url::Url;

use super::{Names, Scheme};
use crate::model::time::beijing;

/// Signs a URL. `salt` stands where the vendors allow any letters and digits.
pub(super) fn sign(
    scheme: Scheme,
    key: &str,
    names: &Names,
    url: &Url,
    now: Timestamp,
    salt: &str,
) -> Url {
    let (path, seconds) = (url.path(), now.as_second());
    let name = |usual: &'static str| names.signature.as_deref().unwrap_or(usual).to_owned();
    let in_query = |usual| {
        let signature = digest(&[path, "-", &seconds.to_string(), "-", salt, "-0-", key]);
        with_query(url, &format!("{}={seconds}-{salt}-0-{signature}", name(usual)))
    };
    let with_time = |usual| {
        let signature = digest(&[key, path, &seconds.to_string()]);
        let time = names.time.as_deref().unwrap_or("t");
        with_query(url, &format!("{}={signature}&{time}={seconds}", name(usual)))
    };
    let by_minute = || {
        let minute = minute(now);
        let signature = digest(&[key, &minute, path]);
        with_path(url, &format!("/{minute}/{signature}{path}"))
    };
    let by_second = |seconds: String| {
        let signature = digest(&[key, path, &seconds]);
        with_path(url, &format!("/{signature}/{seconds}{path}"))
    };
    match scheme {
        Scheme::TencentA => in_query("sign"),
        Scheme::EdgeoneA => in_query("token"),
        Scheme::AlibabaA => in_query("auth_key"),
        Scheme::TencentD => with_time("sign"),
        Scheme::EdgeoneD => with_time("token"),
        Scheme::TencentB | Scheme::EdgeoneB | Scheme::AlibabaB => by_minute(),
        Scheme::EdgeoneC => by_second(format!("{seconds:x}")),
        Scheme::AlibabaC => by_second(format!("{seconds:X}")),
        // Signed elsewhere, with another key.
        Scheme::Cloudfront => url.clone(),
    }
}

fn digest(texts: &[&str]) -> String {
    let mut md5 = Md5::new();
    texts.iter().for_each(|text| md5.update(text));
    md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A time as `YYYYMMDDHHMM` in UTC+8, whatever the time zone of the machine.
fn minute(now: Timestamp) -> String {
    now.to_zoned(beijing()).strftime("%Y%m%d%H%M").to_string()
}

fn with_query(url: &Url, query: &str) -> Url {
    let mut url = url.clone();
    url.set_query(Some(query));
    url
}

fn with_path(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(scheme: Scheme, key: &str, url: &str, now: &str, salt: &str) -> String {
        let now = match now.parse::<i64>() {
            Ok(seconds) => Timestamp::from_second(seconds).unwrap(),
            Err(_) => now.parse().unwrap(),
        };
        sign(scheme, key, &Names::default(), &url.parse().unwrap(), now, salt).to_string()
    }

    /// The example of each form that its vendor publishes, where there is one: Tencent 228/41622 (A) and 41625
    /// (D), EdgeOne 1145/62475 to 62478 (A to D), Alibaba's pages on types A, B and C.
    #[test]
    #[expect(clippy::too_many_lines, reason = "one example after another")]
    fn the_vendors_own_examples_come_out() {
        const TENCENT: &str = "dimtm5evg50ijsx2hvuwyfoiu65";
        const EDGEONE: &str = "DvYmqE81E1F9R791H6lmht";
        const ALIBABA: &str = "aliyuncdnexp1234";
        for (scheme, key, url, now, salt, expected) in [
            (
                Scheme::TencentA,
                TENCENT,
                "http://cloud.tencent.com/test.jpg",
                "1582791032",
                "im1acp76sx9sdqe601v",
                "http://cloud.tencent.com/test.jpg\
                 ?sign=1582791032-im1acp76sx9sdqe601v-0-3fbb88382c9356b6faaf9d68c7b2ae3a",
            ),
            (
                Scheme::TencentD,
                TENCENT,
                "http://cloud.tencent.com/test.jpg",
                "1582791032",
                "",
                "http://cloud.tencent.com/test.jpg\
                 ?sign=900a5049aa8ac1ab144527d9c2be4cea&t=1582791032",
            ),
            (
                Scheme::EdgeoneA,
                EDGEONE,
                "https://www.example.com/foo.jpg",
                "1721028437",
                "Kv4cPTAAP5YTi",
                "https://www.example.com/foo.jpg\
                 ?token=1721028437-Kv4cPTAAP5YTi-0-0fbdca749d7ab784750685347e42075c",
            ),
            (
                Scheme::EdgeoneC,
                EDGEONE,
                "https://www.example.com/foo.jpg",
                "2024-07-15T15:43:06+08:00",
                "",
                "https://www.example.com/6688749e8906a726c12fe1be3aacd016/6694d30a/foo.jpg",
            ),
            (
                Scheme::EdgeoneD,
                EDGEONE,
                "https://www.example.com/foo.jpg",
                "1721029907",
                "",
                "https://www.example.com/foo.jpg\
                 ?token=cadcec4a04e67b9c2abf4b61c642a0dd&t=1721029907",
            ),
            (
                Scheme::EdgeoneB,
                EDGEONE,
                "https://www.example.com/foo.jpg",
                "2024-07-15T15:33:50+08:00",
                "",
                "https://www.example.com/202407151533/d1f0b51c6894231fc12e054fcc7f0b3e/foo.jpg",
            ),
            (
                Scheme::AlibabaA,
                ALIBABA,
                "http://domain.example.com/video/standard/1K.html",
                "1444435200",
                "0",
                "http://domain.example.com/video/standard/1K.html\
                 ?auth_key=1444435200-0-0-80cd3862d699b7118eed99103f2a3a4f",
            ),
            (
                Scheme::AlibabaB,
                ALIBABA,
                "http://domain.example.com/4/44/44c0909bcfc20a01afaf256ca99a8b8b.mp3",
                "2015-08-15T08:00:00+08:00",
                "",
                "http://domain.example.com/201508150800/9044548ef1527deadafa49a890a377f0\
                 /4/44/44c0909bcfc20a01afaf256ca99a8b8b.mp3",
            ),
            (
                Scheme::AlibabaC,
                ALIBABA,
                "http://domain.example.com/test.flv",
                "1439596800",
                "",
                "http://domain.example.com/a37fa50a5fb8f71214b1e7c95ec7a1bd/55CE8100/test.flv",
            ),
        ] {
            assert_eq!(signed(scheme, key, url, now, salt), expected, "{scheme:?}");
        }
    }

    /// Tencent publishes an example of type B with a key that it does not tell: this one is computed with
    /// Python's `hashlib`, as the page says.
    #[test]
    fn the_form_without_a_published_example_is_as_another_program_computes_it() {
        let (key, url) = ("DvYmqE81E1F9R791H6lmht", "https://www.example.com/foo.jpg");
        assert_eq!(
            signed(Scheme::TencentB, key, url, "1721028437", ""),
            "https://www.example.com/202407151527/80765df6a21661f9ba126e5a4d03e7c2/foo.jpg"
        );
    }

    #[test]
    fn names_may_be_others_and_a_path_is_signed_as_it_is_sent() {
        let names = Names { signature: Some("key_1".into()), time: Some("stamp".into()) };
        let url: Url = "https://cdn.example.com/直播/a b.mp4".parse().unwrap();
        let now = Timestamp::from_second(1).unwrap();
        let signed = sign(Scheme::TencentD, "k", &names, &url, now, "");
        let path = "/%E7%9B%B4%E6%92%AD/a%20b.mp4";
        let digest = digest(&["k", path, "1"]);
        let expected = format!("https://cdn.example.com{path}?key_1={digest}&stamp=1");
        assert_eq!(signed.as_str(), expected);
    }
}
