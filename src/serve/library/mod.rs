//! The archive as the server holds it: accounts, catalogs and manifests, read again only when they change,
//! in bounded memory.

mod accounts;
mod board;
mod bucket;
mod catalogs;
mod flights;
mod manifests;
mod objects;
mod ready;
mod status;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::archive::index::Index;
use crate::model::{AppId, ObjectKey, RoomId};
use crate::store::Store;

pub use accounts::Accounts;
pub(super) use board::Standing;
pub(super) use bucket::Bucket;
pub(super) use manifests::Published;
pub(super) use objects::{Archived, Version};

use accounts::AccountList;
use board::Board;
use bucket::Rights;
use catalogs::Catalogs;
use manifests::Manifests;
use objects::Objects;
use ready::Readiness;
use status::Statuses;

/// How long what was read is used without a look at the bucket.
const FRESH: Duration = Duration::from_secs(5);

/// How long a file of the bucket may stand still while it is read.
const STALL: Duration = Duration::from_secs(15);

/// Why something of the archive cannot be told. The log has the details.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bucket refused, or did not answer.
    #[error("the bucket does not answer as it should")]
    Unreachable,
    /// What is there cannot be read.
    #[error("{0} cannot be used")]
    Unusable(&'static str),
}

/// The archive.
#[derive(Debug)]
pub(super) struct Library {
    accounts: AccountList,
    catalogs: Arc<Catalogs>,
    manifests: Arc<Manifests>,
    statuses: Statuses,
    objects: Objects,
    board: Arc<Board>,
    readiness: Arc<Readiness>,
    bucket: Bucket,
}

impl Library {
    pub(super) fn new(store: &Store, accounts: Accounts) -> Self {
        let (rights, named) = match &accounts {
            Accounts::Fixed(appids) => (Rights::Read, appids.iter().cloned().collect()),
            Accounts::Found(_) => (Rights::List, Vec::new()),
        };
        let bucket = || Bucket { store: store.clone(), rights };
        Self {
            accounts: AccountList::new(store.clone(), accounts),
            catalogs: Arc::new(Catalogs::new(store.clone())),
            manifests: Arc::new(Manifests::new(bucket())),
            statuses: Statuses::new(bucket()),
            objects: Objects::new(bucket()),
            board: Arc::new(Board::new(bucket())),
            readiness: Arc::new(Readiness::new(store.clone(), named)),
            bucket: bucket(),
        }
    }

    /// The accounts that are served.
    pub(super) async fn accounts(&self) -> Arc<BTreeSet<AppId>> {
        self.accounts.all().await
    }

    /// The catalog of an account that is served; `None` if it has none.
    ///
    /// # Errors
    /// If it was never read and cannot be read now.
    pub(super) async fn catalog(&self, appid: &AppId) -> Result<Option<Arc<Index>>, Error> {
        self.catalogs.get(appid).await
    }

    /// The catalog of an account, if it is in memory.
    pub(super) fn catalog_at_hand(&self, appid: &AppId) -> Option<Arc<Index>> {
        self.catalogs.at_hand(appid)
    }

    /// The `status.json` of an account; `None` if it has none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) async fn status(&self, appid: &AppId) -> Result<Option<Bytes>, Error> {
        self.statuses.get(appid).await
    }

    /// The manifest of a room; `None` if it has none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) async fn manifest(
        &self,
        appid: &AppId,
        room: RoomId,
    ) -> Result<Option<Arc<Published>>, Error> {
        self.manifests.get(appid, room).await
    }

    /// Has the manifest of a room read again when it is asked for.
    pub(super) fn forget_manifest(&self, appid: &AppId, room: RoomId) {
        self.manifests.forget(appid, room);
    }

    /// What the statuses of all accounts say, in numbers.
    pub(super) async fn standing(&self) -> Arc<Standing> {
        self.board.standing(self.accounts().await).await
    }

    /// Whether an object is in the bucket, with this size if one is given.
    pub(super) async fn has(&self, appid: &AppId, key: &ObjectKey, bytes: Option<u64>) -> bool {
        self.objects.has(appid, key, bytes).await
    }

    /// Notes that an object is not in the bucket.
    pub(super) fn note_missing(&self, key: &ObjectKey) {
        self.objects.note_missing(key);
    }

    /// The version that stands in for the one that the manifest names, or for which it has no name, if that is
    /// known.
    pub(super) fn version(&self, key: &ObjectKey, named: Option<&str>) -> Option<Version> {
        self.objects.known(key, named)
    }

    /// The version that the bucket has in place of the one that the manifest names, or for which it has no name;
    /// `None` if the bucket has none.
    ///
    /// # Errors
    /// If it is not the archived object, or that cannot be found out.
    pub(super) async fn compare(
        &self,
        appid: &AppId,
        key: &ObjectKey,
        named: Option<&str>,
        archived: Archived,
    ) -> Result<Option<Version>, Error> {
        self.objects.compare(appid, key, named, archived).await
    }

    /// The bucket.
    pub(super) fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Whether the bucket answers.
    ///
    /// # Errors
    /// If it does not.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        self.readiness.check().await
    }
}
