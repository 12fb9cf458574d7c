//! The requests.

/// What is wrong with how a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    Unsigned,
    Secret,
    Key,
    Region,
    OldDate,
    /// The hash of the body is another's.
    Hash,
}

/// A request, and what of its answer matters beside the status and the code.
pub struct Step {
    pub name: &'static str,
    pub method: &'static str,
    /// Path and query; `{upload}` stands for the upload begun last.
    pub target: &'static str,
    /// `=NAME` is that checksum of the body, `=wrong NAME` that of something else.
    pub headers: &'static [(&'static str, &'static str)],
    pub body: &'static str,
    pub lie: Option<Lie>,
    pub told: &'static [&'static str],
    /// Whether its answer tells the upload that later steps are about.
    pub keeps_id: bool,
    /// Whether no correct client would send it.
    pub is_wrong: bool,
}

const fn ask(name: &'static str, method: &'static str, target: &'static str) -> Step {
    Step {
        name,
        method,
        target,
        headers: &[],
        body: "",
        lie: None,
        told: &[],
        keeps_id: false,
        is_wrong: false,
    }
}

impl Step {
    const fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }
    const fn headers(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }
    const fn lie(self, lie: Lie) -> Self {
        let is_wrong = !matches!(lie, Lie::OldDate);
        Self { lie: Some(lie), is_wrong, ..self }
    }
    const fn tells(self, told: &'static [&'static str]) -> Self {
        Self { told, ..self }
    }
    const fn keeps_id(self) -> Self {
        Self { keeps_id: true, ..self }
    }
    const fn wrong(self) -> Self {
        Self { is_wrong: true, ..self }
    }
}

const A: &str = "/replays/q/a";
const B: &str = "/replays/q/b";
const PUT_B: Step = ask("", "PUT", B).body("checked");

const fn put(name: &'static str, headers: &'static [(&'static str, &'static str)]) -> Step {
    Step { name, headers, ..PUT_B }
}

/// In this order: later steps build on earlier ones.
pub const SCRIPT: &[Step] = &[
    ask("the bucket is there", "HEAD", "/replays"),
    ask("another is not", "HEAD", "/no-such-bucket-here"),
    ask("an object is written", "PUT", A)
        .body("hello")
        .headers(&[("content-type", "video/mp4"), ("x-amz-meta-run", "r 1")])
        .tells(&["etag"]),
    ask("it is looked at", "HEAD", A).tells(&[
        "etag",
        "content-length",
        "content-type",
        "x-amz-meta-run",
    ]),
    ask("it is read", "GET", A).tells(&["etag", "content-length", "body"]),
    ask("a range of it", "GET", A).headers(&[("range", "bytes=1-3")]).tells(&[
        "content-range",
        "content-length",
        "body",
    ]),
    ask("its tail", "GET", A).headers(&[("range", "bytes=-2")]).tells(&["content-range", "body"]),
    ask("from an offset", "GET", A).headers(&[("range", "bytes=2-")]).tells(&["content-range"]),
    ask("behind its end", "GET", A).headers(&[("range", "bytes=9-")]),
    ask("if it is another", "GET", A).headers(&[("if-match", "\"0000\"")]),
    ask("if it is the same", "GET", A)
        .headers(&[("if-match", "\"5d41402abc4b2a76b9719d911017c592\"")])
        .tells(&["body"]),
    ask("an object that is not there", "GET", "/replays/q/none"),
    ask("looked at in vain", "HEAD", "/replays/q/none"),
    ask("in a bucket that is not there", "GET", "/no-such-bucket-here/a"),
    ask("unsigned", "GET", A).lie(Lie::Unsigned),
    ask("signed with another secret", "GET", A).lie(Lie::Secret),
    ask("by somebody unknown", "GET", A).lie(Lie::Key),
    ask("for another region", "GET", A).lie(Lie::Region),
    ask("an hour ago", "GET", A).lie(Lie::OldDate),
    ask("a body with another's hash", "PUT", B).body("x").lie(Lie::Hash),
    put("the right MD5", &[("content-md5", "=MD5")]),
    put("a wrong MD5", &[("content-md5", "=wrong MD5")]).wrong(),
    put("the right CRC-32", &[("x-amz-checksum-crc32", "=CRC32")]),
    put("a wrong CRC-32", &[("x-amz-checksum-crc32", "=wrong CRC32")]).wrong(),
    put("a wrong CRC-32C", &[("x-amz-checksum-crc32c", "=wrong CRC32C")]).wrong(),
    put("a wrong SHA-1", &[("x-amz-checksum-sha1", "=wrong SHA1")]).wrong(),
    put("a wrong SHA-256", &[("x-amz-checksum-sha256", "=wrong SHA256")]).wrong(),
    put("a wrong CRC-64", &[("x-amz-checksum-crc64nvme", "=wrong CRC64NVME")]).wrong(),
    put("the right CRC-64", &[("x-amz-checksum-crc64nvme", "=CRC64NVME")])
        .tells(&["x-amz-checksum-crc64nvme"]),
    ask("the CRC-64 is told", "HEAD", B)
        .headers(&[("x-amz-checksum-mode", "ENABLED")])
        .tells(&["x-amz-checksum-crc64nvme"]),
    put("if there is none", &[("if-none-match", "*")]),
    ask("an upload of nothing known", "PUT", "/replays/q/m?partNumber=1&uploadId=nothing")
        .body("x"),
    ask("an upload is begun", "POST", "/replays/q/m?uploads=").keeps_id(),
    ask("its first part", "PUT", "/replays/q/m?partNumber=1&uploadId={upload}")
        .body("large")
        .tells(&["etag"]),
    ask("its second part", "PUT", "/replays/q/m?partNumber=2&uploadId={upload}")
        .body("tail")
        .tells(&["etag"]),
    ask("a third part", "PUT", "/replays/q/m?partNumber=3&uploadId={upload}").body("end"),
    ask("a part of another's hash", "PUT", "/replays/q/m?partNumber=4&uploadId={upload}")
        .body("x")
        .lie(Lie::Hash),
    ask("a part that has no number", "PUT", "/replays/q/m?partNumber=0&uploadId={upload}")
        .body("x")
        .wrong(),
    ask("a part too many", "PUT", "/replays/q/m?partNumber=10001&uploadId={upload}")
        .body("x")
        .wrong(),
    ask("its parts", "GET", "/replays/q/m?uploadId={upload}&max-parts=2").tells(&["parts"]),
    ask("unfinished uploads", "GET", "/replays?uploads=&prefix=q%2F").tells(&["keys"]),
    ask("it does not show yet", "HEAD", "/replays/q/m"),
    ask("completed with no list", "POST", "/replays/q/m?uploadId={upload}").body("<a").wrong(),
    ask("in the wrong order", "POST", "/replays/q/m?uploadId={upload}").body("wrong order").wrong(),
    ask("with a wrong ETag", "POST", "/replays/q/m?uploadId={upload}").body("wrong etag").wrong(),
    ask("with a part that is not there", "POST", "/replays/q/m?uploadId={upload}")
        .body("missing part")
        .wrong(),
    ask("completed", "POST", "/replays/q/m?uploadId={upload}").body("good list"),
    ask("it shows", "HEAD", "/replays/q/m").tells(&["content-length", "etag"]),
    ask("completed again", "POST", "/replays/q/m?uploadId={upload}").body("good list"),
    ask("a part after that", "PUT", "/replays/q/m?partNumber=1&uploadId={upload}").body("x"),
    ask("another upload", "POST", "/replays/q/n?uploads=").keeps_id(),
    ask("it is aborted", "DELETE", "/replays/q/n?uploadId={upload}"),
    ask("it is aborted again", "DELETE", "/replays/q/n?uploadId={upload}"),
    ask("an upload of small parts", "POST", "/replays/q/o?uploads=").keeps_id(),
    ask("a small part", "PUT", "/replays/q/o?partNumber=2&uploadId={upload}").body("tail"),
    ask("another", "PUT", "/replays/q/o?partNumber=3&uploadId={upload}").body("end"),
    ask("completed with a small first part", "POST", "/replays/q/o?uploadId={upload}")
        .body("small list")
        .wrong(),
    ask("the objects", "GET", "/replays?list-type=2&prefix=q%2F").tells(&["keys"]),
    ask("one is deleted", "DELETE", A),
    ask("it is deleted again", "DELETE", A),
    ask("it is gone", "GET", A),
];
