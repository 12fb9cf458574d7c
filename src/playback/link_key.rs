//! Signatures for links: whoever has the link of a room can play that room until the link ends, and do
//! nothing else. Players, web-views and HLS cannot send a header with a token. Pure.

use std::fmt;
use std::sync::{PoisonError, RwLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::Sha256;

use crate::model::{AppId, RoomId, Sha256Digest};

/// What is signed begins with this, so that no other signature of the key can be taken for one of a link.
const LINK: &str = "replay-archiver/link/v1";

/// When a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// At this second.
    At(Timestamp),
    /// Not before the key is changed.
    Never,
}

impl Ends {
    /// The number in a link: seconds since 1970, 0 for never.
    pub fn number(self) -> i64 {
        match self {
            Self::At(at) => at.as_second(),
            Self::Never => 0,
        }
    }

    /// The end that a number in a link stands for.
    pub fn of_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Never),
            _ => Timestamp::from_second(number).ok().map(Self::At),
        }
    }

    /// The earlier of two ends.
    #[must_use]
    pub fn or_earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(one), Self::At(other)) => Self::At(one.min(other)),
            (Self::At(end), Self::Never) | (Self::Never, Self::At(end)) => Self::At(end),
            (Self::Never, Self::Never) => Self::Never,
        }
    }

    /// The time, if there is one.
    pub fn time(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Never => None,
        }
    }
}

/// The key that signs links. With another key, all links made before are void.
pub struct LinkKey(RwLock<SecretBox<[u8; 64]>>);

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(…)")
    }
}

impl LinkKey {
    /// The key that a text stands for.
    pub fn of_text(text: &SecretString) -> Self {
        let mut key = Box::new([0; 64]);
        let digest = Sha256Digest::of(text.expose_secret().as_bytes());
        key.iter_mut().zip(digest.0).for_each(|(byte, of_digest)| *byte = of_digest);
        Self(RwLock::new(SecretBox::new(key)))
    }

    /// A new key.
    pub fn random() -> Self {
        let mut key = Box::new([0; 64]);
        rand::fill(key.as_mut_slice());
        Self(RwLock::new(SecretBox::new(key)))
    }

    /// Takes another key in place of this one.
    pub fn replace(&self, other: Self) {
        let other = other.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = other;
    }

    /// Another key that follows from this one, for signatures of another kind.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        let mut key = Box::new([0; 64]);
        let derived = self.mac(&[purpose]).finalize().into_bytes();
        key.iter_mut().zip(derived).for_each(|(byte, of_mac)| *byte = of_mac);
        Self(RwLock::new(SecretBox::new(key)))
    }

    /// The signature of these texts, none of which has a line end: 64 hex digits.
    pub fn sign(&self, texts: &[&str]) -> String {
        Sha256Digest(self.mac(texts).finalize().into_bytes().into()).to_string()
    }

    /// Whether this is the signature of these texts. Takes the same time for every wrong one.
    pub fn has_signed(&self, texts: &[&str], signature: &str) -> bool {
        let Ok(Sha256Digest(bytes)) = Sha256Digest::try_from(signature.to_owned()) else {
            return false;
        };
        self.mac(texts).verify_slice(&bytes).is_ok()
    }

    /// The signature of a link of a room.
    pub fn sign_link(&self, appid: &AppId, room: RoomId, ends: Ends) -> String {
        let (room, ends) = (room.to_string(), ends.number().to_string());
        self.sign(&[LINK, appid.as_str(), &room, &ends])
    }

    /// Whether this is the signature of a link of a room.
    pub fn has_signed_link(
        &self,
        appid: &AppId,
        room: RoomId,
        ends: Ends,
        signature: &str,
    ) -> bool {
        let (room, ends) = (room.to_string(), ends.number().to_string());
        self.has_signed(&[LINK, appid.as_str(), &room, &ends], signature)
    }

    fn mac(&self, texts: &[&str]) -> Hmac<Sha256> {
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut mac = Hmac::<Sha256>::new(key.expose_secret().into());
        for text in texts {
            mac.update(text.as_bytes());
            mac.update(b"\n");
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_its_room_and_its_end_alone() {
        let key = LinkKey::random();
        let appid: AppId = "wx1".parse().unwrap();
        let at = Ends::of_number(1_800_000_000).unwrap();
        let signature = key.sign_link(&appid, RoomId(354), at);
        let good = |key: &LinkKey, appid: &str, room, ends, signature: &str| {
            key.has_signed_link(&appid.parse().unwrap(), RoomId(room), ends, signature)
        };
        assert!(good(&key, "wx1", 354, at, &signature));
        let later = Ends::of_number(1_800_000_001).unwrap();
        for (appid, room, ends) in [
            ("wx2", 354, at),
            ("wx1", 35, at),
            ("wx1", 3541, at),
            ("wx1", 354, later),
            ("wx1", 354, Ends::Never),
        ] {
            assert!(!good(&key, appid, room, ends, &signature), "{appid} {room} {ends:?}");
        }
        for wrong in ["", "0", &signature[1..], &"0".repeat(64), &format!("{signature}0"), "é"] {
            assert!(!good(&key, "wx1", 354, at, wrong), "{wrong}");
        }
        assert!(!good(&LinkKey::random(), "wx1", 354, at, &signature), "another key");
        assert!(!good(&key.derived("session"), "wx1", 354, at, &signature), "another purpose");
    }

    #[test]
    fn the_key_of_a_text_is_the_same_in_every_process() {
        let key = LinkKey::of_text(&SecretString::from("k".repeat(32)));
        let again = LinkKey::of_text(&SecretString::from("k".repeat(32)));
        assert!(again.has_signed(&["a", "b"], &key.sign(&["a", "b"])));
        assert_ne!(key.sign(&["a", "b"]), key.sign(&["ab"]));
    }

    #[test]
    fn the_end_of_a_link_is_a_number() {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(Ends::of_number(1_800_000_000), Some(Ends::At(at)));
        assert_eq!(Ends::of_number(Ends::At(at).number()), Some(Ends::At(at)));
        assert_eq!(Ends::of_number(0), Some(Ends::Never));
        assert_eq!(Ends::of_number(i64::MAX), None);
    }
}
