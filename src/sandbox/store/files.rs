//! The store's directory. Listing below a prefix reads the folder of that prefix: the library reads all of the
//! bucket, which takes seconds where there are thousands of accounts.

use std::io;
use std::path::{Component, Path, PathBuf};

use futures::future::BoxFuture;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;

/// The most objects on a page.
const PAGE: i32 = 1_000;

/// Buckets as directories.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    files: FileSystem,
}

impl Files {
    /// The subdirectories of `root` are buckets.
    pub fn new(root: &Path) -> Result<Self, s3s_fs::Error> {
        Ok(Self { root: root.to_owned(), files: FileSystem::new(root)? })
    }

    async fn list(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = &request.input;
        let folder = match (&input.prefix, &input.delimiter) {
            (Some(prefix), None) => prefix.rsplit_once('/').map(|(folder, _)| folder),
            _ => None,
        };
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        let folder = folder.filter(|folder| Path::new(folder).components().all(is_plain));
        let bucket = self.root.join(&input.bucket);
        match folder.filter(|_| bucket.is_dir()) {
            Some(folder) => page(bucket, folder, input).await,
            None => self.files.list_objects_v2(request).await,
        }
    }
}

/// The page of the objects in `folder` of a bucket and below it.
async fn page(
    bucket: PathBuf,
    folder: &str,
    input: &ListObjectsV2Input,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let start = bucket.join(folder);
    let walked = tokio::task::spawn_blocking(move || walk(&bucket, start)).await;
    let walked = walked.map_err(io::Error::other).and_then(|walked| walked);
    let mut objects =
        walked.map_err(|error| S3Error::with_source(S3ErrorCode::InternalError, error.into()))?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let after = input.continuation_token.as_ref().max(input.start_after.as_ref());
    let is_asked =
        |key: &str| key.starts_with(prefix) && after.is_none_or(|after| key > after.as_str());
    objects.retain(|object| object.key.as_deref().is_some_and(is_asked));
    objects.sort_by(|one, other| one.key.cmp(&other.key));
    let most = input.max_keys.unwrap_or(PAGE).clamp(0, PAGE);
    let rest = usize::try_from(most).unwrap_or_default();
    let is_truncated = objects.len() > rest && rest > 0;
    objects.truncate(rest);
    let next = objects.last().and_then(|last| last.key.clone()).filter(|_| is_truncated);
    Ok(S3Response::new(ListObjectsV2Output {
        key_count: i32::try_from(objects.len()).ok(),
        max_keys: Some(most),
        is_truncated: Some(is_truncated),
        contents: Some(objects).filter(|objects| !objects.is_empty()),
        continuation_token: input.continuation_token.clone(),
        next_continuation_token: next,
        encoding_type: input.encoding_type.clone(),
        name: Some(input.bucket.clone()),
        prefix: input.prefix.clone(),
        start_after: input.start_after.clone(),
        ..ListObjectsV2Output::default()
    }))
}

/// The files below a folder of a bucket, by their keys. What another request removes meanwhile is left out.
fn walk(bucket: &Path, start: PathBuf) -> io::Result<Vec<Object>> {
    let (mut folders, mut objects) = (vec![start], Vec::new());
    let is_gone = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    };
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if is_gone(&error) => continue,
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let metadata = match std::fs::metadata(&path) {
                Err(error) if is_gone(&error) => continue,
                metadata => metadata?,
            };
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            let key = path.strip_prefix(bucket).ok().and_then(Path::to_str);
            objects.extend(key.map(|key| Object {
                key: Some(key.to_owned()),
                last_modified: metadata.modified().ok().map(Timestamp::from),
                size: i64::try_from(metadata.len()).ok(),
                ..Object::default()
            }));
        }
    }
    Ok(objects)
}

/// Operations as the library does them, each written as the trait's macro would.
macro_rules! as_the_library {
    ($($operation:ident: $input:ident -> $output:ident,)*) => {$(
        fn $operation<'s, 'f>(
            &'s self,
            request: S3Request<$input>,
        ) -> BoxFuture<'f, S3Result<S3Response<$output>>>
        where
            's: 'f,
            Self: 'f,
        {
            self.files.$operation(request)
        }
    )*};
}

impl S3 for Files {
    as_the_library! {
        create_bucket: CreateBucketInput -> CreateBucketOutput,
        copy_object: CopyObjectInput -> CopyObjectOutput,
        delete_bucket: DeleteBucketInput -> DeleteBucketOutput,
        delete_object: DeleteObjectInput -> DeleteObjectOutput,
        delete_objects: DeleteObjectsInput -> DeleteObjectsOutput,
        get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput,
        get_object: GetObjectInput -> GetObjectOutput,
        head_bucket: HeadBucketInput -> HeadBucketOutput,
        head_object: HeadObjectInput -> HeadObjectOutput,
        list_buckets: ListBucketsInput -> ListBucketsOutput,
        list_objects: ListObjectsInput -> ListObjectsOutput,
        put_object: PutObjectInput -> PutObjectOutput,
        create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput,
        upload_part: UploadPartInput -> UploadPartOutput,
        upload_part_copy: UploadPartCopyInput -> UploadPartCopyOutput,
        list_parts: ListPartsInput -> ListPartsOutput,
        complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput,
        abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput,
    }

    fn list_objects_v2<'s, 'f>(
        &'s self,
        request: S3Request<ListObjectsV2Input>,
    ) -> BoxFuture<'f, S3Result<S3Response<ListObjectsV2Output>>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(self.list(request))
    }
}
