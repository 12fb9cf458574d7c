//! The bucket: uploads, reads, presigned URLs. Only this module speaks S3.
//!
//! It works on AWS S3 and on what is compatible with it: MinIO, Garage, Ceph, R2, COS, OSS. Nothing
//! is asked of a store that one of them lacks; what some of them offer beyond that, such as a
//! CRC-64 of the whole object, is used where it is found and recorded as evidence.
//!
//! - An object counts as stored only after [`Store::confirm`] has compared what the store reports
//!   with what was sent. Every way of writing ends in it.
//! - Nothing is deleted but the probes of [`Abilities`]; an upload that fails leaves whatever object
//!   was there before.
//! - Every request is retried by [`crate::retry`] alone; the SDK's own retries are off.
//!
//! - No reply is read further than a limit, but for objects, which come as streams; none may crawl.
//!
//! In reading order: `settings`, `keys` (the bucket's layout), `plan` (parts), `bounded` (replies),
//! `client`, `object` (small objects), `conditional`, `upload` (multipart), `read`, `paging`, `list`,
//! `uploads` (unfinished ones), `presign`, `probe` (for `doctor`).

mod answer;
mod bounded;
mod checksum;
mod client;
mod conditional;
mod dialect;
mod error;
mod keys;
mod list;
mod object;
mod paging;
mod plan;
mod presign;
mod probe;
mod read;
mod settings;
mod signing;
mod tap;
mod upload;
mod uploads;

pub use answer::Answer;
pub use client::Store;
pub use conditional::Expected;
pub use error::{Error, NoAnswer, Site};
pub use keys::{AccountKeys, Keys, RoomKeys};
pub use list::{Listed, Listing};
pub use object::{Confirmed, GET_CAP, Labels, ObjectHead, must_be_readable};
pub use plan::{LARGEST_PART, MOST_PARTS, PartPlan, SMALLEST_PART};
pub use presign::PresignedUrl;
pub use probe::{Abilities, IfNoneMatch, Probe};
pub use read::ObjectBody;
pub use settings::{
    Addressing, BodySigning, ChecksumMode, Credentials, DEFAULT_RETRY, Settings, Timeouts,
};
pub use upload::{PartDigests, PartReceipt, Upload, UploadId};
pub use uploads::{Unfinished, UnfinishedListing};
