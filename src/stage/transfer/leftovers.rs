//! Finds the unfinished uploads of earlier transfers, and judges them by what the ledger can prove.
//!
//! An upload is aborted only where it is certain that this program began it and that nothing will
//! resume it. Objects are never touched.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::checkpoint::upload_of;
use crate::ledger::{Intent, KeptCheckpoint, Ledger};
use crate::model::{AppId, ObjectKey, RoomId};
use crate::stage::{Error, Records};
use crate::store::Unfinished;

/// How far the clocks of a store and of the archiving machines may be apart.
const SLACK: SignedDuration = SignedDuration::from_mins(2);

/// How long after an intent the store may still begin an upload for it: the time for all attempts.
const LONGEST_BEGINNING: SignedDuration = SignedDuration::from_mins(25);

/// The verdict on an unfinished upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A checkpoint owns it, or its room is being processed.
    InUse,
    /// It was begun recently.
    Recent,
    /// This program began it, and nothing will resume it.
    Orphaned,
    /// It is not known who began it.
    Unproven,
}

/// An unfinished upload and the verdict on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    pub key: ObjectKey,
    /// The store's id for it.
    pub id: String,
    /// When it was begun, if known.
    pub initiated: Option<Timestamp>,
    pub verdict: Verdict,
    /// Why it was judged so.
    pub reason: String,
    /// The room it belongs to, where that is proved.
    room: Option<(AppId, RoomId)>,
}

/// Everything that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// The uploads, ordered by key.
    pub uploads: Vec<Leftover>,
    /// Whether the store could list uploads; if not, only those whose ids the ledger knows are
    /// included.
    pub listed: bool,
    /// Names of intents whose uploads are all gone.
    spent: Vec<String>,
}

impl Leftovers {
    /// The number of uploads with a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.uploads.iter().filter(|upload| upload.verdict == verdict).count()
    }
}

/// What the ledger knows about uploads.
struct Knowledge {
    intents: Vec<Intent>,
    checkpoints: Vec<KeptCheckpoint>,
    /// Later uploads are left alone.
    before: Timestamp,
}

/// Looks for unfinished uploads below `prefixes`. Changes nothing.
///
/// `is_gone` says whether the owner of a lease is a process known to be dead.
///
/// # Errors
/// When the ledger or the store cannot be read.
pub async fn leftovers(
    records: Records<'_>,
    prefixes: &[String],
    older_than: Duration,
    is_gone: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Leftovers, Error> {
    // Read before listing the store: an upload begun in between is listed, and counts as recent.
    let knowledge = knowledge(records, older_than).await?;
    let listed = listed(records, prefixes).await?;
    let is_here = |key: &str| prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
    let uploads = listed.clone().unwrap_or_else(|| known_by_id(&knowledge.intents, is_here));
    let mut found = Leftovers { listed: listed.is_some(), ..Leftovers::default() };
    for upload in &uploads {
        let judged = judge(&knowledge, upload);
        found.uploads.push(look_at_lease(records, judged, is_gone).await?);
    }
    if found.listed {
        let here = knowledge.intents.iter().filter(|intent| is_here(&intent.key));
        let spent = here.filter(|intent| intent.begun_at <= knowledge.before);
        for intent in spent.filter(|intent| !uploads.iter().any(|u| stands_for(intent, u))) {
            let owner = records.ledger.lease_owner(&intent.appid, intent.room);
            if owner.await?.is_none_or(|owner| is_gone(&owner)) {
                found.spent.push(intent.name.clone());
            }
        }
    }
    found.uploads.sort_by(|a, b| (a.key.as_str(), &a.id).cmp(&(b.key.as_str(), &b.id)));
    Ok(found)
}

/// Aborts an orphaned upload, under the lease of its room and after checking again; returns whether it
/// did.
///
/// # Errors
/// When the ledger or the store fails.
pub async fn abort_leftover(
    records: Records<'_>,
    upload: &Leftover,
    older_than: Duration,
) -> Result<bool, Error> {
    let Some((appid, room)) = upload.room.as_ref().filter(|_| upload.verdict == Verdict::Orphaned)
    else {
        return Ok(false);
    };
    let Some(_) = records.ledger.claim_room(appid, *room, records.claim()).await? else {
        return Ok(false);
    };
    let aborted = abort_claimed(records, upload, older_than).await;
    let released = records.ledger.release(appid, *room, records.owner()).await;
    let aborted = aborted?;
    released?;
    Ok(aborted)
}

/// While this process has claimed the room no transfer of it can begin or resume, so what the check
/// finds stays true until the upload is aborted.
async fn abort_claimed(
    records: Records<'_>,
    upload: &Leftover,
    older_than: Duration,
) -> Result<bool, Error> {
    let knowledge = knowledge(records, older_than).await?;
    let Leftover { key, id, initiated, .. } = upload.clone();
    let again = judge(&knowledge, &Unfinished { key, id, initiated });
    if again.verdict != Verdict::Orphaned {
        return Ok(false);
    }
    records.store.abort_upload(&upload.key, &upload.id).await?;
    records.ledger.end_upload(upload.key.as_str(), &upload.id).await?;
    Ok(true)
}

/// Deletes the intents whose uploads are all gone; returns how many.
///
/// # Errors
/// When the ledger fails.
pub async fn forget_spent(ledger: &Ledger, leftovers: &Leftovers) -> Result<usize, Error> {
    for intent in &leftovers.spent {
        ledger.forget_intent(intent).await?;
    }
    Ok(leftovers.spent.len())
}

async fn knowledge(records: Records<'_>, older_than: Duration) -> Result<Knowledge, Error> {
    let before = records.clock.ago(older_than);
    let is_ours = |intent: &Intent| {
        let room = records.store.keys(&intent.appid).room(intent.room);
        room.holds(&ObjectKey::new(intent.key.clone()))
    };
    let mut intents = records.ledger.intents().await?;
    // A damaged ledger may name any key. It proves nothing about keys outside the room.
    intents.retain(is_ours);
    Ok(Knowledge { intents, checkpoints: records.ledger.checkpoints().await?, before })
}

/// The unfinished uploads; `None` where the store cannot list them.
async fn listed(
    records: Records<'_>,
    prefixes: &[String],
) -> Result<Option<Vec<Unfinished>>, Error> {
    let mut uploads = Vec::new();
    for prefix in prefixes {
        let mut listing = records.store.list_uploads(prefix);
        loop {
            match listing.next_page().await {
                Ok(Some(page)) => uploads.extend(page),
                Ok(None) => break,
                Err(error) if error.is_not_implemented() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(Some(uploads))
}

/// The uploads whose ids the ledger knows, whether or not the store still has them.
fn known_by_id(intents: &[Intent], is_here: impl Fn(&str) -> bool) -> Vec<Unfinished> {
    let known = intents.iter().filter(|intent| is_here(&intent.key)).filter_map(|intent| {
        Some(Unfinished {
            key: ObjectKey::new(intent.key.clone()),
            id: intent.upload_id.clone()?,
            initiated: Some(intent.begun_at),
        })
    });
    known.collect()
}

/// Whether an upload belongs to an intent: by its id or, where not all ids are known, by its key and
/// the time it was begun.
fn stands_for(intent: &Intent, upload: &Unfinished) -> bool {
    if intent.key != upload.key.as_str() {
        return false;
    }
    if intent.upload_id.as_deref() == Some(upload.id.as_str()) {
        return true;
    }
    let after = |by: SignedDuration| intent.begun_at.saturating_add(by).unwrap_or(Timestamp::MAX);
    intent.in_doubt
        && upload.initiated.is_some_and(|at| {
            // A store may report whole seconds only.
            let first = after(-SLACK - SignedDuration::from_secs(1));
            first <= at && at <= after(LONGEST_BEGINNING + SLACK)
        })
}

/// Judges an upload by what the ledger knows, without looking at leases.
fn judge(knowledge: &Knowledge, upload: &Unfinished) -> Leftover {
    let intent = knowledge.intents.iter().find(|intent| stands_for(intent, upload));
    let room = intent.map(|intent| (intent.appid.clone(), intent.room));
    let owner = knowledge.checkpoints.iter().find(|checkpoint| {
        match upload_of(&checkpoint.state) {
            Some((_, id)) => id == upload.id,
            // An unreadable checkpoint may own any upload of its room.
            None => room.as_ref() == Some(&(checkpoint.appid.clone(), checkpoint.room)),
        }
    });
    let is_recent = upload.initiated.is_some_and(|at| at > knowledge.before);
    let (verdict, reason) = match (owner, intent) {
        (Some(owner), _) => {
            (Verdict::InUse, format!("it belongs to a checkpoint of room {}", owner.room))
        }
        (None, _) if is_recent => (Verdict::Recent, "it began recently".to_owned()),
        (None, Some(intent)) => {
            (Verdict::Orphaned, format!("run {} began it for room {}", intent.run, intent.room))
        }
        (None, None) => (Verdict::Unproven, "it is not in the ledger".to_owned()),
    };
    let Unfinished { key, id, initiated } = upload.clone();
    Leftover { key, id, initiated, verdict, reason, room }
}

/// An upload is not orphaned while its room is being processed.
async fn look_at_lease(
    records: Records<'_>,
    judged: Leftover,
    is_gone: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Leftover, Error> {
    let Some((appid, room)) = judged.room.as_ref().filter(|_| judged.verdict == Verdict::Orphaned)
    else {
        return Ok(judged);
    };
    let owner = records.ledger.lease_owner(appid, *room).await?;
    if owner.is_none_or(|owner| is_gone(&owner)) {
        return Ok(judged);
    }
    let reason = format!("another run is processing room {room}");
    Ok(Leftover { verdict: Verdict::InUse, reason, ..judged })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "live/wx1/rooms/1/segments/a.mp4";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn intent(upload_id: Option<&str>, in_doubt: bool) -> Intent {
        Intent {
            name: "n".into(),
            appid: "wx1".parse().unwrap(),
            room: RoomId(1),
            key: KEY.into(),
            run: "r".into(),
            begun_at: at("2026-11-22T03:00:00Z"),
            upload_id: upload_id.map(str::to_owned),
            in_doubt,
        }
    }

    fn verdict(intent: Intent, key: &str, id: &str, initiated: &str) -> Verdict {
        let before = at("2026-11-23T03:00:00Z");
        let knowledge = Knowledge { intents: vec![intent], checkpoints: Vec::new(), before };
        let (key, initiated) = (ObjectKey::new(key), Some(at(initiated)));
        judge(&knowledge, &Unfinished { key, id: id.into(), initiated }).verdict
    }

    #[test]
    fn only_an_upload_that_is_certainly_ours_is_an_orphan() {
        use Verdict::{Orphaned, Recent, Unproven};
        let (then, other) = ("2026-11-22T03:00:00Z", "live/wx1/rooms/1/segments/a.mp4.part");
        let (named, unnamed) = (|| intent(Some("u"), false), || intent(None, true));
        for (intent, key, id, initiated, expected) in [
            (named(), KEY, "u", then, Orphaned),
            (named(), KEY, "u", "2026-11-20T00:00:00Z", Orphaned),
            (named(), KEY, "v", then, Unproven),
            (named(), other, "u", then, Unproven),
            (named(), KEY, "u", "2026-11-23T03:00:01Z", Recent),
            (unnamed(), KEY, "v", then, Orphaned),
            (unnamed(), KEY, "v", "2026-11-22T03:20:00Z", Orphaned),
            (unnamed(), other, "v", then, Unproven),
            (unnamed(), KEY, "v", "2026-11-22T02:57:00Z", Unproven),
            (unnamed(), KEY, "v", "2026-11-22T03:30:00Z", Unproven),
            (intent(Some("u"), true), KEY, "v", then, Orphaned),
        ] {
            let found = verdict(intent.clone(), key, id, initiated);
            assert_eq!(found, expected, "{intent:?} {key} {id} {initiated}");
        }
    }

    #[test]
    fn a_checkpoint_that_cannot_be_read_protects_all_uploads_of_its_room() {
        let state = "from another version".to_owned();
        let checkpoint = KeptCheckpoint { appid: "wx1".parse().unwrap(), room: RoomId(1), state };
        let knowledge = Knowledge {
            intents: vec![intent(Some("u"), false)],
            checkpoints: vec![checkpoint],
            before: Timestamp::MAX,
        };
        let initiated = Some(at("2026-11-22T03:00:00Z"));
        let upload = Unfinished { key: ObjectKey::new(KEY), id: "u".into(), initiated };
        assert_eq!(judge(&knowledge, &upload).verdict, Verdict::InUse);
    }
}
