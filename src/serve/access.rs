//! Who may see what: API tokens, login cookies, and links.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use crate::model::{AppId, RoomId};
use crate::playback::{Ends, LinkKey};

/// The shortest token. Nobody guesses one of 32 characters made by a machine.
const SHORTEST: usize = 32;

/// How long a login lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(12);

/// The accounts that a caller may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every account.
    All,
    /// These.
    Some(BTreeSet<AppId>),
}

impl Scope {
    /// Whether the caller may see an account.
    pub fn has(&self, appid: &AppId) -> bool {
        match self {
            Self::All => true,
            Self::Some(appids) => appids.contains(appid),
        }
    }
}

/// The API tokens, and what each may see.
#[derive(Debug)]
pub struct Tokens(Vec<(SecretString, Scope)>);

/// Why a token file cannot be used. The tokens themselves are not shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTokens {
    /// Somebody could guess it.
    #[error(
        "line {line}: the token is shorter than {SHORTEST} characters\n\
         hint: `openssl rand -hex 32` prints one that nobody guesses [RA606]"
    )]
    Short {
        /// The line of the file, from 1.
        line: usize,
    },
    /// It cannot be sent in a header.
    #[error("line {line}: the token has characters other than ASCII letters, digits and signs")]
    Unprintable {
        /// The line of the file, from 1.
        line: usize,
    },
    /// It would be unclear what it may see.
    #[error("line {line}: the token is on line {first} too")]
    Duplicate {
        /// The line of the file, from 1.
        line: usize,
        /// The line where it was first.
        first: usize,
    },
    /// An account is misspelt.
    #[error(
        "line {line}: {appid:?} is not an appid\nhint: write TOKEN wx0123456789abcdef,wx… [RA606]"
    )]
    Account {
        /// The line of the file, from 1.
        line: usize,
        /// What is there.
        appid: String,
    },
    /// It would see everything, though somebody meant to name accounts.
    #[error(
        "line {line}: behind the token is something that names no account\n\
         hint: write TOKEN wx0123456789abcdef,wx…, or TOKEN alone for all accounts [RA606]"
    )]
    NoAccount {
        /// The line of the file, from 1.
        line: usize,
    },
    /// Nobody could log in.
    #[error(
        "there is no token\nhint: write one on each line, as `openssl rand -hex 32` prints it [RA606]"
    )]
    None,
}

impl Tokens {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// No token at all: everybody is refused.
    pub fn nobody() -> Self {
        Self(Vec::new())
    }

    /// Reads a token file: on each line a token, and behind it the accounts that it may see; all if there
    /// are none. Lines that begin with `#` are comments.
    ///
    /// # Errors
    /// If a line is not like that, or there is no token.
    pub fn parse(text: &str) -> Result<Self, BadTokens> {
        let mut tokens: Vec<(SecretString, Scope)> = Vec::new();
        let mut lines = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (token, accounts) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(BadTokens::Unprintable { line });
            }
            if token.len() < SHORTEST {
                return Err(BadTokens::Short { line });
            }
            if let Some(at) = tokens.iter().position(|(known, _)| known.expose_secret() == token) {
                let first = lines.get(at).copied().unwrap_or(line);
                return Err(BadTokens::Duplicate { line, first });
            }
            lines.push(line);
            tokens.push((token.into(), scope(accounts, line)?));
        }
        if tokens.is_empty() { Err(BadTokens::None) } else { Ok(Self(tokens)) }
    }
}

fn scope(accounts: &str, line: usize) -> Result<Scope, BadTokens> {
    let named = accounts.split(|c: char| c == ',' || c.is_whitespace());
    let named = named.filter(|name| !name.is_empty());
    let parsed = named.map(|name| {
        name.parse()
            .map_err(|_| BadTokens::Account { line, appid: name.chars().take(64).collect() })
    });
    let appids = parsed.collect::<Result<BTreeSet<AppId>, _>>()?;
    match (appids.is_empty(), accounts.trim().is_empty()) {
        (true, true) => Ok(Scope::All),
        (true, false) => Err(BadTokens::NoAccount { line }),
        (false, _) => Ok(Scope::Some(appids)),
    }
}

/// Decides who a caller is.
#[derive(Debug)]
pub struct Access {
    /// Signs tokens, so that they can be compared in constant time, and sessions.
    key: LinkKey,
    /// `None`: anybody may see everything.
    granted: Option<Vec<Granted>>,
}

#[derive(Debug)]
struct Granted {
    /// The signature of the token.
    tag: String,
    scope: Scope,
}

impl Granted {
    /// What a session calls the token: nothing that leads back to it.
    fn id(&self) -> &str {
        self.tag.get(..16).unwrap_or_default()
    }
}

impl Access {
    /// Access by these tokens, or for everybody.
    pub fn new(tokens: Option<Tokens>, link_key: &LinkKey) -> Self {
        let key = link_key.derived("replay-archiver/session/v1");
        let granted = tokens.map(|Tokens(tokens)| {
            let granted = tokens.into_iter().map(|(token, scope)| Granted {
                tag: key.sign(&["token", token.expose_secret()]),
                scope,
            });
            granted.collect()
        });
        Self { key, granted }
    }

    /// What anybody may see, if no token is needed.
    pub fn open(&self) -> Option<Scope> {
        self.granted.is_none().then_some(Scope::All)
    }

    /// What the holder of a token may see.
    pub fn of_token(&self, token: &str) -> Option<Scope> {
        Some(self.granted(token)?.scope.clone())
    }

    fn granted(&self, token: &str) -> Option<&Granted> {
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        // All are compared, so that the time does not tell which was right.
        let granted = self.granted.iter().flatten();
        granted.fold(None, |found, granted| {
            let is_it = self.key.has_signed(&["token", token], &granted.tag);
            if is_it { Some(granted) } else { found }
        })
    }

    /// A session for the holder of a token: the value of a cookie, good for [`Access::session_seconds`].
    pub fn session(&self, token: &str, now: Timestamp) -> Option<String> {
        let id = self.granted(token)?.id();
        let end = now.checked_add(SESSION).ok()?.as_second().to_string();
        let signature = self.key.sign(&["session", id, &end]);
        Some(format!("{id}.{end}.{signature}"))
    }

    /// How long a session lasts, in seconds.
    pub fn session_seconds() -> i64 {
        SESSION.as_secs()
    }

    /// What the holder of a session may see: nothing once the session has ended or its token is gone.
    pub fn of_session(&self, session: &str, now: Timestamp) -> Option<Scope> {
        let mut parts = session.splitn(3, '.');
        let (id, end, signature) = (parts.next()?, parts.next()?, parts.next()?);
        let is_signed = self.key.has_signed(&["session", id, end], signature);
        let has_ended = end.parse().ok().is_none_or(|end: i64| now.as_second() >= end);
        let granted = self.granted.iter().flatten().find(|granted| granted.id() == id)?;
        (is_signed && !has_ended).then(|| granted.scope.clone())
    }
}

/// Why a link does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadLink {
    /// It is not one that this server made.
    Unsigned,
    /// It has ended.
    Ended,
}

/// Checks the link of a room: its end as a number, and its signature.
///
/// # Errors
/// If it was not signed with this key, or has ended.
pub fn check_link(
    key: &LinkKey,
    (appid, room): (&AppId, RoomId),
    (number, signature): (&str, &str),
    now: Timestamp,
) -> Result<Ends, BadLink> {
    let ends = number.parse().ok().and_then(Ends::of_number).ok_or(BadLink::Unsigned)?;
    if !key.has_signed_link(appid, room, ends, signature) {
        return Err(BadLink::Unsigned);
    }
    match ends {
        Ends::At(end) if now >= end => Err(BadLink::Ended),
        _ => Ok(ends),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "fedcba9876543210fedcba9876543210";

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn access(text: &str) -> Access {
        Access::new(Some(Tokens::parse(text).unwrap()), &LinkKey::random())
    }

    #[test]
    fn a_token_sees_the_accounts_behind_it_or_all() {
        let text = format!("\u{feff}# mine\r\n\r\n{ONE}\r\n  {TWO}\twx1, wx2\n");
        let access = access(&text);
        assert_eq!(access.of_token(ONE), Some(Scope::All));
        let some = access.of_token(TWO).unwrap();
        let seen = ["wx1", "wx2", "wx3"].map(|appid| some.has(&appid.parse().unwrap()));
        assert_eq!(seen, [true, true, false]);
        for wrong in ["", &ONE[1..], &format!("{ONE}0"), &format!("{ONE}\n"), "é"] {
            assert_eq!(access.of_token(wrong), None, "{wrong}");
        }
        assert!(access.open().is_none() && Access::new(None, &LinkKey::random()).open().is_some());
    }

    #[test]
    fn without_any_token_in_its_file_everybody_is_refused() {
        let access = Access::new(Some(Tokens::nobody()), &LinkKey::random());
        assert!(access.open().is_none());
        assert_eq!([ONE, TWO, ""].map(|token| access.of_token(token)), [None, None, None]);
    }

    #[test]
    fn a_token_file_is_refused_with_the_line_and_without_the_token() {
        let short = &ONE[1..];
        for (text, expected) in [
            (String::new(), BadTokens::None),
            ("# nothing\n".to_owned(), BadTokens::None),
            (format!("{ONE}\n{short}"), BadTokens::Short { line: 2 }),
            (format!("{ONE}\n\n{ONE} wx1"), BadTokens::Duplicate { line: 3, first: 1 }),
            (format!("{short}é"), BadTokens::Unprintable { line: 1 }),
            (format!("{TWO}\n{ONE} , ,"), BadTokens::NoAccount { line: 2 }),
            (format!("{ONE} wx1,../x"), BadTokens::Account { line: 1, appid: "../x".to_owned() }),
        ] {
            let error = Tokens::parse(&text).unwrap_err();
            assert!(!error.to_string().contains(short), "{error}");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn a_session_ends_by_time_and_with_its_token() {
        let key = LinkKey::of_text(&SecretString::from("k".repeat(32)));
        let with = |text: &str| Access::new(Some(Tokens::parse(text).unwrap()), &key);
        let both = with(&format!("{ONE}\n{TWO} wx1"));
        let session = both.session(TWO, now()).unwrap();
        let some = Scope::Some(BTreeSet::from(["wx1".parse().unwrap()]));
        assert_eq!(both.of_session(&session, now()), Some(some.clone()));
        let after = |seconds| now() + SignedDuration::from_secs(seconds);
        assert_eq!(both.of_session(&session, after(SESSION.as_secs() - 1)), Some(some));
        assert_eq!(both.of_session(&session, after(SESSION.as_secs())), None);
        assert_eq!(with(ONE).of_session(&session, now()), None, "its token is gone");
        assert_eq!(access(TWO).of_session(&session, now()), None, "another key");
        let first = both.session(ONE, now()).unwrap();
        let forged = session.replace(&session[..16], &first[..16]);
        let longer = session.replacen(".1", ".2", 1);
        for wrong in ["", "..", TWO, &forged, &longer, &session[1..]] {
            assert_eq!(both.of_session(wrong, now()), None, "{wrong}");
        }
        assert!(!session.contains(TWO) && both.session("x", now()).is_none());
    }

    #[test]
    fn a_link_is_checked_for_its_signature_before_its_end() {
        let key = LinkKey::random();
        let (appid, room): (AppId, _) = ("wx1".parse().unwrap(), RoomId(1));
        let end = now().as_second();
        let sign = |number| key.sign_link(&appid, room, Ends::of_number(number).unwrap());
        let check = |number: &str, signature: &str| {
            check_link(&key, (&appid, room), (number, signature), now())
        };
        assert!(check(&(end + 1).to_string(), &sign(end + 1)).is_ok());
        assert_eq!(check(&end.to_string(), &sign(end)), Err(BadLink::Ended));
        assert_eq!(check("0", &sign(0)), Ok(Ends::Never));
        assert_eq!(check(&(end + 1).to_string(), &sign(end)), Err(BadLink::Unsigned));
        for number in ["", "x", "-1", "+0", "99999999999999999999"] {
            assert_eq!(check(number, &sign(end)), Err(BadLink::Unsigned), "{number}");
        }
    }
}
