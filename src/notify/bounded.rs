//! What programs and the outbox get of digests, bounded: a receiver that refuses a large body refuses it every night,
//! with more in it each time.

use serde_json::{Value, json};

use super::News;
use super::digest::{AccountDigest, Digest, Unread};
use crate::model::Outcome;

/// The most bytes of the data of a message, and of a digest in the outbox: `nginx` takes bodies of 1 MiB, others of
/// less.
const MOST: usize = 256 << 10;

/// How much is kept: accounts of a digest, entries of each of their lists, earlier digests. The first that fits
/// is taken.
const STEPS: [[usize; 3]; 5] =
    [[usize::MAX; 3], [1000, 100, 100], [300, 20, 50], [50, 3, 20], [0, 0, 0]];

/// The digests of a message: the new one, and those that could not be sent. `is_cut` says whether something is left
/// out of them; the text of the message says what matters in any case.
pub(super) fn data(news: Option<&News>, earlier: &[Digest]) -> Value {
    let earlier: Vec<Digest> = earlier.iter().map(lasting).collect();
    let mut all = STEPS.iter().enumerate().map(|(step, most)| {
        let [accounts, _, digests] = *most;
        let recovered = |news: &News| -> Vec<_> {
            news.recovered.iter().flatten().take(accounts).cloned().collect()
        };
        let newest = earlier.get(earlier.len().saturating_sub(digests)..).unwrap_or_default();
        json!({
            "now": news.map(|news| cut(&news.digest, *most)),
            "recovered": news.map(recovered),
            "earlier": newest.iter().map(|digest| cut(digest, *most)).collect::<Vec<_>>(),
            "is_cut": step > 0,
        })
    });
    all.find(|data| data.to_string().len() <= MOST).unwrap_or_default()
}

/// A digest as the outbox keeps it: whole, or what later runs do not tell again.
pub(super) fn kept(digest: &Digest) -> String {
    let text = json!(digest).to_string();
    if text.len() <= MOST {
        return text;
    }
    // Each loss is told once, so all of it is kept.
    let mut digest = lasting(digest);
    digest.accounts.retain(|account| !account.lost.is_empty() || account.mismatches > 0);
    json!(digest).to_string()
}

/// What later runs do not tell again, without the accounts of which there is nothing to tell.
fn lasting(digest: &Digest) -> Digest {
    let of_account = |account: &AccountDigest| AccountDigest {
        at_risk: Vec::new(),
        failures: Vec::new(),
        ..account.clone()
    };
    let accounts = digest.accounts.iter().filter(|account| !is_well(account)).map(of_account);
    Digest { accounts: accounts.collect(), unread: Vec::new(), ..digest.clone() }
}

fn is_well(account: &AccountDigest) -> bool {
    let is_well = matches!(account.outcome, Outcome::Ok | Outcome::Continuing);
    is_well && account.lost.is_empty() && account.troubles().is_empty() && account.mismatches == 0
}

/// As much of a digest as a step leaves: the worst accounts, those with losses first.
fn cut(digest: &Digest, [accounts, entries, _]: [usize; 3]) -> Digest {
    if accounts == usize::MAX {
        return digest.clone();
    }
    let mut worst: Vec<_> = digest.accounts.iter().filter(|account| !is_well(account)).collect();
    worst.sort_by_key(|account| (account.lost.is_empty(), account.outcome));
    let of_account = |account: &&AccountDigest| {
        let mut account = AccountDigest::clone(account);
        account.lost.truncate(entries);
        account.at_risk.truncate(entries);
        account.failures.truncate(entries);
        account
    };
    let accounts = worst.iter().take(accounts).map(of_account).collect();
    let of_unread = |unread: &Unread| {
        let mut unread = unread.clone();
        unread.appids.truncate(entries);
        unread
    };
    let unread = digest.unread.iter().take(entries).map(of_unread).collect();
    Digest { accounts, unread, ..digest.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RoomId;
    use crate::notify::digest::{Cause, Ended, Failure, LostRoom, RoomName};

    fn night(outcome: Outcome, accounts: u32) -> Digest {
        let ended = Ended {
            command: "run",
            outcome,
            at: "2026-11-22T03:00:00Z".parse().unwrap(),
            took: std::time::Duration::from_secs(1),
        };
        let account = |n| AccountDigest::new(format!("wx{n:016}").parse().unwrap(), outcome);
        Digest { accounts: (0..accounts).map(account).collect(), ..Digest::empty(ended) }
    }

    fn lost(room: u64) -> LostRoom {
        let room = RoomName { room_id: RoomId(room), name: "直播间".to_owned() };
        LostRoom { room, recordings: 1 }
    }

    fn failing(accounts: u32) -> Digest {
        let mut digest = night(Outcome::Left, accounts);
        for account in &mut digest.accounts {
            let cause = Cause { message: "no ".repeat(100), hints: Vec::new() };
            account.failures.push(Failure { room: None, cause, more: 0 });
        }
        digest
    }

    #[test]
    fn a_night_of_many_accounts_fits_and_has_the_worst_of_them() {
        let mut digest = failing(5000);
        digest.accounts[4321].lost.push(lost(7));
        let news = News { digest, recovered: Vec::new() };
        let data = data(Some(&news), &[]);
        assert!(data.to_string().len() <= MOST && data["is_cut"] == true);
        assert_eq!(data["now"]["accounts"][0]["appid"], "wx0000000000004321");
        assert!(data["now"]["accounts"].as_array().unwrap().len() >= 50);
        let well = News { digest: night(Outcome::Ok, 5000), recovered: Vec::new() };
        assert!(super::data(Some(&well), &[]).to_string().len() < 2000);
    }

    #[test]
    fn settings_that_cannot_be_read_fit_however_many_accounts_they_are_of() {
        let cause = Cause { message: "a.toml, line 1".to_owned(), hints: Vec::new() };
        let appids = (0..20_000).map(|n| format!("wx{n:016}").parse().unwrap()).collect();
        let unread = vec![Unread { cause, appids }];
        let digest = Digest { unread, ..night(Outcome::Left, 1) };
        let text = kept(&digest);
        assert!(text.len() <= MOST, "{}", text.len());
        let news = News { digest, recovered: Vec::new() };
        let data = data(Some(&news), &[]);
        assert!(data.to_string().len() <= MOST);
        assert_eq!(data["now"]["unread"][0]["message"], "a.toml, line 1");
    }

    #[test]
    fn a_digest_of_an_earlier_version_is_read() {
        let mut digest = json!(night(Outcome::Left, 1));
        digest["unread"] = json!([{ "message": "a.toml, line 1", "hints": [] }]);
        let digest: Digest = serde_json::from_value(digest).unwrap();
        assert!(digest.unread[0].appids.is_empty());
    }

    #[test]
    fn a_small_night_is_whole() {
        let news = News { digest: failing(3), recovered: Vec::new() };
        let data = data(Some(&news), &[]);
        assert_eq!((&data["now"], &data["is_cut"]), (&json!(news.digest), &json!(false)));
    }

    #[test]
    fn nights_that_could_not_be_sent_add_their_losses_alone() {
        let mut earlier = vec![failing(300); 40];
        earlier[0].accounts[5].lost.push(lost(7));
        earlier.push(night(Outcome::Ok, 300));
        let data = data(None, &earlier);
        assert!(data.to_string().len() <= MOST, "{}", data.to_string().len());
        let small: Vec<_> = earlier[..2].to_vec();
        let data = super::data(None, &small);
        assert_eq!(data["earlier"][0]["accounts"][5]["lost"][0]["room"]["room_id"], 7);
        assert_eq!(data["earlier"][0]["accounts"][5]["failures"], json!([]));
        assert_eq!(super::data(None, &earlier[40..])["earlier"][0]["accounts"], json!([]));
    }

    #[test]
    fn the_outbox_keeps_every_loss_of_a_large_night() {
        let mut digest = failing(5000);
        digest.accounts[4321].lost = (0..500).map(lost).collect();
        let text = kept(&digest);
        assert!(text.len() <= MOST, "{}", text.len());
        let read: Digest = serde_json::from_str(&text).unwrap();
        assert_eq!(read.accounts.iter().map(|account| account.lost.len()).sum::<usize>(), 500);
        let small = failing(3);
        assert_eq!(serde_json::from_str::<Digest>(&kept(&small)).unwrap(), small);
    }
}
