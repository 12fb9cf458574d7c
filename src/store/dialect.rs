//! Replies with the right content under another name.
//!
//! The SDK reads a reply only if its outer element has AWS's name. moto answers the end of an upload
//! with `CompleteMultipartUploadResponse`; servers built on gofakes3, such as `rclone serve s3`, answer
//! the beginning with `InitiateMultipartUpload`. Other clients ignore the name, so this one does too.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;

use super::Error;
use super::error::Site;

/// The id of the upload that was begun; `None` if the reply contains none.
pub(super) fn upload_id<E: ProvideErrorMetadata + std::error::Error + 'static>(
    site: &Site,
    sent: Result<CreateMultipartUploadOutput, SdkError<E, HttpResponse>>,
) -> Result<Option<String>, Error> {
    match sent {
        Ok(output) => Ok(output.upload_id.filter(|id| !id.is_empty())),
        Err(failure) => match misnamed_success(&failure, "InitiateMultipartUpload") {
            Some(reply) => Ok(plain_text(reply, "UploadId").map(str::to_owned)),
            None => Err(Error::from_sdk(site, &failure)),
        },
    }
}

/// The reply to a completed upload; `None` unless it reports success under another name.
pub(super) fn completed<E: ProvideErrorMetadata + std::error::Error + 'static>(
    site: &Site,
    sent: Result<CompleteMultipartUploadOutput, SdkError<E, HttpResponse>>,
) -> Result<Option<CompleteMultipartUploadOutput>, Error> {
    match sent {
        Ok(output) => Ok(Some(output)),
        Err(failure) => match misnamed_success(&failure, "CompleteMultipartUpload") {
            Some(_) => Ok(None),
            None => Err(Error::from_sdk(site, &failure)),
        },
    }
}

/// The reply behind a failure if it is a success after all: a 2xx whose outer element's name begins
/// with `name`.
fn misnamed_success<'a, E>(failure: &'a SdkError<E, HttpResponse>, name: &str) -> Option<&'a str> {
    let response = failure.raw_response().filter(|response| response.status().is_success())?;
    let text = std::str::from_utf8(response.body().bytes()?).ok()?;
    outer_element(text)?.starts_with(name).then_some(text)
}

/// The text of the first element `name`, if it is plain: no entities, no elements inside.
fn plain_text<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    (!text.is_empty() && !text.contains(['<', '&'])).then_some(text)
}

/// The document from its outer element on, after any declaration.
fn outer_element(xml: &str) -> Option<&str> {
    let xml = xml.trim_start_matches('\u{feff}').trim_start();
    let xml = match xml.strip_prefix("<?") {
        Some(declaration) => declaration.split_once("?>")?.1.trim_start(),
        None => xml,
    };
    xml.strip_prefix('<')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_element_stands_after_the_declaration() {
        for xml in ["<A><B/></A>", "<?xml version=\"1.0\"?>\n<A/>", "\u{feff} <A/>"] {
            assert!(outer_element(xml).unwrap().starts_with('A'), "{xml}");
        }
        for other in ["", "A", "{}", "<?xml"] {
            assert_eq!(outer_element(other), None, "{other}");
        }
    }

    #[test]
    fn only_plain_text_is_taken() {
        assert_eq!(plain_text("<A><Id> u1\n</Id></A>", "Id"), Some("u1"));
        for other in ["<Id></Id>", "<Id>a&amp;b</Id>", "<Id><B/></Id>", "<Id>u1", ""] {
            assert_eq!(plain_text(other, "Id"), None, "{other}");
        }
    }
}
