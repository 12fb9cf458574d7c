//! The bucket: uploads, reads, presigned URLs. Only this module speaks S3.
//!
//! It works on AWS S3 and compatible stores: MinIO, Garage, Ceph, R2, COS, OSS. It requires nothing
//! that one of them lacks; what some offer beyond that, such as a CRC-64 of the whole object, is used
//! if present and recorded as evidence.
//!
//! - An object counts as stored only after what the store reports about it was compared with what was
//!   sent. The answer to a write is enough if it proves the bytes; otherwise [`Store::confirm`] makes a
//!   HEAD. A recording that was sent with one request always gets a HEAD.
//! - Nothing is deleted but the probes of [`Abilities`]; an upload that fails leaves an existing object
//!   in place.
//! - Only [`crate::retry`] retries requests; the SDK's own retries are off.
//! - Every reply has a limit on its length, except for objects, which are streamed; none may crawl.
//!
//! In reading order: `settings`, `keys` (the bucket's layout), `plan` (parts), `bounded` (replies),
//! `client`, `write` (one request), `object` (small objects), `conditional`, `upload` (multipart), `copy` (parts that the store copies),
//! `read`, `paging`, `list`, `folders`, `uploads` (unfinished ones), `presign`, `probe` (for `doctor`).

mod answer;
mod bounded;
mod checksum;
mod client;
mod conditional;
mod copy;
mod credentials;
mod dialect;
mod error;
mod folders;
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
mod write;

pub use answer::Answer;
pub use client::Store;
pub use conditional::Precondition;
pub use copy::CopySource;
pub use error::{Error, NoAnswer, Site};
pub use folders::Folders;
pub use keys::{AccountKeys, Keys, RoomKeys};
pub use list::{ListedObject, Listing};
pub use object::{Confirmed, GET_CAP, Labels, ObjectHead, must_be_readable};
pub use plan::{LARGEST_PART, MOST_PARTS, PartPlan, SMALLEST_PART};
pub use presign::PresignedUrl;
pub use probe::{Abilities, Copies, IfMatch, IfNoneMatch, Probe};
pub use read::ObjectBody;
pub use settings::{
    Addressing, BodySigning, ChecksumMode, Credentials, DEFAULT_RETRY, Settings, Timeouts,
};
pub use upload::{PartDigests, PartReceipt, Upload, UploadId};
pub use uploads::{Unfinished, UnfinishedListing};
