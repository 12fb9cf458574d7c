//! The policies of `docs/policies/`: the least rights for what the commands do, generated from the list of
//! their operations.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::check_generated;
use super::operations::listed;

/// The commands that need a bucket alone, and only read it.
const READING: [&str; 4] = ["rooms", "verify", "playlist", "serve"];

/// What `doctor` writes and deletes.
const PROBES: &str = ".replay-archiver-probe-*";

/// Rights, and the resource that they are for.
type Statement = (Vec<&'static str>, String);

/// How a vendor writes rights.
struct Vendor {
    name: &'static str,
    /// The bucket itself, and what the names of its objects follow.
    bucket: &'static str,
    objects: &'static str,
    /// What an operation is called there.
    rights: &'static [(&'static str, &'static [&'static str])],
    /// A policy of statements; each has rights and what they are for.
    policy: fn(&[Statement]) -> Value,
}

/// The operations that ask for the bucket, and not for an object of it.
const OF_THE_BUCKET: [&str; 3] = ["HeadBucket", "ListObjectsV2", "ListMultipartUploads"];

const VENDORS: [Vendor; 3] = [
    Vendor {
        name: "aws",
        bucket: "arn:aws:s3:::replays",
        objects: "arn:aws:s3:::replays/",
        rights: &[
            ("HeadBucket", &["s3:ListBucket"]),
            ("ListObjectsV2", &["s3:ListBucket"]),
            ("ListMultipartUploads", &["s3:ListBucketMultipartUploads"]),
            ("HeadObject", &["s3:GetObject"]),
            ("GetObject", &["s3:GetObject"]),
            ("PutObject", &["s3:PutObject"]),
            ("CreateMultipartUpload", &["s3:PutObject"]),
            ("UploadPart", &["s3:PutObject"]),
            ("UploadPartCopy", &["s3:GetObject", "s3:PutObject"]),
            ("CompleteMultipartUpload", &["s3:PutObject"]),
            ("AbortMultipartUpload", &["s3:AbortMultipartUpload"]),
            ("DeleteObject", &["s3:DeleteObject"]),
        ],
        policy: |statements| {
            let statement = |(rights, resource): &(Vec<_>, String)| json!({ "Effect": "Allow", "Action": rights, "Resource": [resource] });
            let statements: Vec<Value> = statements.iter().map(statement).collect();
            json!({ "Version": "2012-10-17", "Statement": statements })
        },
    },
    Vendor {
        name: "cos",
        bucket: "qcs::cos:ap-guangzhou:uid/1250000000:replays-1250000000/",
        objects: "qcs::cos:ap-guangzhou:uid/1250000000:replays-1250000000/",
        rights: &[
            ("HeadBucket", &["name/cos:HeadBucket"]),
            ("ListObjectsV2", &["name/cos:GetBucket"]),
            ("ListMultipartUploads", &["name/cos:ListMultipartUploads"]),
            ("HeadObject", &["name/cos:HeadObject"]),
            ("GetObject", &["name/cos:GetObject"]),
            ("PutObject", &["name/cos:PutObject"]),
            ("CreateMultipartUpload", &["name/cos:InitiateMultipartUpload"]),
            ("UploadPart", &["name/cos:UploadPart"]),
            ("UploadPartCopy", &["name/cos:GetObject", "name/cos:UploadPartCopy"]),
            ("CompleteMultipartUpload", &["name/cos:CompleteMultipartUpload"]),
            ("AbortMultipartUpload", &["name/cos:AbortMultipartUpload"]),
            ("DeleteObject", &["name/cos:DeleteObject"]),
        ],
        policy: |statements| {
            let statement = |(rights, resource): &(Vec<_>, String)| json!({ "effect": "allow", "action": rights, "resource": [resource] });
            let statements: Vec<Value> = statements.iter().map(statement).collect();
            json!({ "version": "2.0", "statement": statements })
        },
    },
    Vendor {
        name: "oss",
        bucket: "acs:oss:*:*:replays",
        objects: "acs:oss:*:*:replays/",
        rights: &[
            ("HeadBucket", &["oss:GetBucketInfo", "oss:ListObjects"]),
            ("ListObjectsV2", &["oss:ListObjects"]),
            ("ListMultipartUploads", &["oss:ListMultipartUploads"]),
            ("HeadObject", &["oss:GetObject"]),
            ("GetObject", &["oss:GetObject"]),
            ("PutObject", &["oss:PutObject"]),
            ("CreateMultipartUpload", &["oss:PutObject"]),
            ("UploadPart", &["oss:PutObject"]),
            ("UploadPartCopy", &["oss:GetObject", "oss:PutObject"]),
            ("CompleteMultipartUpload", &["oss:PutObject"]),
            ("AbortMultipartUpload", &["oss:AbortMultipartUpload"]),
            ("DeleteObject", &["oss:DeleteObject"]),
        ],
        policy: |statements| {
            let statement = |(rights, resource): &(Vec<_>, String)| json!({ "Effect": "Allow", "Action": rights, "Resource": [resource] });
            let statements: Vec<Value> = statements.iter().map(statement).collect();
            json!({ "Version": "1", "Statement": statements })
        },
    },
];

impl Vendor {
    /// The policy that allows these operations. Objects are deleted nowhere but among the probes.
    fn policy_for(&self, operations: &BTreeSet<String>) -> Value {
        let named: BTreeMap<_, _> = self.rights.iter().copied().collect();
        let rights = |wanted: &dyn Fn(&str) -> bool| -> Vec<&'static str> {
            let wanted = operations.iter().filter(|name| wanted(name));
            let rights = wanted.flat_map(|name| {
                named.get(name.as_str()).unwrap_or_else(|| panic!("{}: {name}", self.name)).iter()
            });
            rights.copied().collect::<BTreeSet<_>>().into_iter().collect()
        };
        let of_bucket = |name: &str| OF_THE_BUCKET.contains(&name);
        let of_objects = |name: &str| !of_bucket(name) && name != "DeleteObject";
        let statements = [
            (rights(&of_bucket), self.bucket.to_owned()),
            (rights(&of_objects), format!("{}*", self.objects)),
            (rights(&|name| name == "DeleteObject"), format!("{}{PROBES}", self.objects)),
        ];
        let statements: Vec<_> =
            statements.into_iter().filter(|(rights, _)| !rights.is_empty()).collect();
        (self.policy)(&statements)
    }
}

#[test]
fn the_policies_allow_what_the_commands_do_and_nothing_else() {
    let listed = listed();
    let all: BTreeSet<String> = listed.values().flatten().cloned().collect();
    let of_readers = listed.iter().filter(|(command, _)| READING.contains(&command.as_str()));
    let reading: BTreeSet<String> = of_readers.flat_map(|(_, made)| made).cloned().collect();
    assert!(reading.contains("GetObject") && !reading.contains("PutObject"), "{reading:?}");
    for vendor in VENDORS {
        for (role, operations) in [("archive", &all), ("read", &reading)] {
            let policy = serde_json::to_string_pretty(&vendor.policy_for(operations)).unwrap();
            let path = format!("docs/policies/{}-{role}.json", vendor.name);
            check_generated(&path, &format!("{policy}\n"));
        }
    }
}
