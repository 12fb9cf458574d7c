//! An S3 store on loopback: s3s over a directory, path style, with one access key.
//!
//! Use it for trials, but not to judge integrity: it syncs nothing to disk and accepts wrong part
//! checksums.

mod files;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};

use files::Files;

use super::SandboxError;
use super::server::{Server, Wire, bind};

/// A running S3 store. Dropping it stops it; its objects stay in its directory.
#[derive(Debug)]
pub struct EmbeddedStore {
    server: Server,
    is_read_only: Arc<AtomicBool>,
}

/// What a caller with the right keys may do.
#[derive(Debug)]
struct Access(Arc<AtomicBool>);

impl Access {
    fn judge(&self, context: &S3AccessContext<'_>) -> S3Result<()> {
        let reads = ["Get", "Head", "List"];
        let is_read = reads.iter().any(|verb| context.s3_op().name().starts_with(verb));
        if context.credentials().is_none() || (!is_read && self.0.load(Ordering::Relaxed)) {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        Ok(())
    }
}

impl S3Access for Access {
    // As the trait's macro would write it.
    fn check<'s, 'c, 'i, 'f>(
        &'s self,
        context: &'c mut S3AccessContext<'i>,
    ) -> BoxFuture<'f, S3Result<()>>
    where
        's: 'f,
        'c: 'f,
        'i: 'f,
        Self: 'f,
    {
        Box::pin(std::future::ready(self.judge(context)))
    }
}

impl EmbeddedStore {
    /// Serves the subdirectories of `root` as buckets, and creates `bucket` as one of them.
    ///
    /// Requests are path style and signed with the given key pair; any region works.
    ///
    /// # Errors
    /// When the directory cannot be created or used, or listening on the address fails.
    pub async fn start(
        root: &Path,
        bucket: &str,
        access_key: &str,
        secret_key: &str,
        listen: SocketAddr,
    ) -> Result<Self, SandboxError> {
        let directory = root.join(bucket);
        tokio::fs::create_dir_all(&directory)
            .await
            .map_err(|source| SandboxError::StoreRoot { path: directory, source })?;
        let files = Files::new(root).map_err(|error| SandboxError::Store {
            path: root.to_owned(),
            message: format!("{error:?}"),
        })?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
        let is_read_only = Arc::new(AtomicBool::new(false));
        builder.set_access(Access(Arc::clone(&is_read_only)));
        let service = builder.build();
        let server = Server::run(bind(listen).await?, move |wire| serve(service.clone(), wire))?;
        Ok(Self { server, is_read_only })
    }

    /// From now on every write is refused with `AccessDenied`, as with keys that may only read.
    pub fn refuse_writes(&self) {
        self.is_read_only.store(true, Ordering::Relaxed);
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }
}

async fn serve(service: S3Service, wire: Wire) {
    let connection = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = connection.serve_connection(TokioIo::new(wire), service).await {
        tracing::debug!(error, "a connection to the store broke off");
    }
}
