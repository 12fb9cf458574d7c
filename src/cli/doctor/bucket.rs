//! Checks the bucket: whether it answers, what it permits, and what it can do.

use super::super::setup::Setup;
use super::{Findings, UPLOAD, skew};
use crate::store::{Abilities, Copies, Error, IfNoneMatch, Probe, Store};

pub(super) async fn check(setup: &Setup, findings: &mut Findings<'_>) {
    let store = &setup.context.store;
    let at = store.address();
    if findings.ask("bucket", at, store.check_bucket()).await.is_none() {
        return;
    }
    findings.good("bucket", format_args!("{} answers at {at}", store.bucket()));
    match findings.ask("bucket clock", at, store.server_time()).await {
        Some(Some(time)) => {
            skew(findings, "bucket clock", time.duration_since(setup.context.clock.now()));
        }
        Some(None) => findings.warn("bucket clock", "the store does not report its time"),
        None => {}
    }
    match findings.ask("bucket rights", at, store.round_trip()).await {
        Some(Probe::Deleted) => {
            findings.good("bucket rights", "objects can be written, read and deleted");
        }
        Some(Probe::Kept { key, refusal }) => findings.warn(
            "bucket rights",
            format_args!(
                "objects can be written and read, but deleting {key} failed: {}\n\
                 hint: nothing depends on deletion: an object lock, or a policy without \
                 DeleteObject, keeps what doctor writes; delete objects named \
                 .replay-archiver-probe-… once that ends [RA315]",
                first_line(&refusal)
            ),
        ),
        None => {}
    }
    abilities(store, findings).await;
}

async fn abilities(store: &Store, findings: &mut Findings<'_>) {
    let at = store.address();
    let multipart = findings.ask_for(UPLOAD, "multipart uploads", at, store.multipart_works());
    let Some(multipart) = multipart.await else { return };
    findings.good("multipart uploads", "they work");
    let found = findings.ask("store abilities", at, Box::pin(store.abilities(&multipart)));
    let found = found.await;
    if let Some(abilities) = found {
        tell(&abilities, findings);
    }
    copies(store, findings).await;
}

/// Whether rooms can be stitched here.
async fn copies(store: &Store, findings: &mut Findings<'_>) {
    const WHAT: &str = "copies in the store";
    match findings.ask_for(UPLOAD, WHAT, store.address(), store.copies()).await {
        Some(Copies::Work) => findings.good(WHAT, "they work, so that rooms can be stitched"),
        Some(Copies::OfOneSize(refusal)) => findings.warn(
            WHAT,
            format_args!(
                "only parts of one size are joined: {}\n\
                 hint: rooms cannot be stitched on this store; players get their segments [RA316]",
                first_line(&refusal)
            ),
        ),
        Some(Copies::Refused(refusal)) => findings.warn(
            WHAT,
            format_args!(
                "they do not work: {}\n\
                 hint: rooms cannot be stitched on this store; players get their segments [RA316]",
                first_line(&refusal)
            ),
        ),
        None => {}
    }
}

fn first_line(refusal: &Error) -> String {
    refusal.to_string().split('\n').next().unwrap_or_default().to_owned()
}

fn tell(abilities: &Abilities, findings: &mut Findings<'_>) {
    if abilities.refuses_wrong_hash {
        findings.good("integrity", "a body that differs from its signed SHA-256 is refused");
    } else {
        findings.warn(
            "integrity",
            "a body that differs from its signed SHA-256 is accepted\n\
             hint: run `verify --deep` now and then: this store does not check what it receives [RA317]",
        );
    }
    let kept = match (abilities.crc64nvme, abilities.crc64xz) {
        (true, true) => "CRC-64/NVME and CRC-64/XZ",
        (true, false) => "CRC-64/NVME",
        (false, true) => "CRC-64/XZ",
        (false, false) => "none; sizes are compared",
    };
    findings.good("checksums the store keeps", kept);
    let conditional = match abilities.if_none_match {
        IfNoneMatch::Honoured => "honoured",
        IfNoneMatch::Ignored => "ignored; nothing depends on them",
        IfNoneMatch::Refused => "refused; nothing depends on them",
    };
    findings.good("conditional writes", conditional);
}
