//! What can be made to go wrong.

use super::Request;

/// Says of each request what goes wrong with it.
pub type Fault = Box<dyn Fn(&Request) -> Option<Effect> + Send>;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Nothing is done; the answer is an error. Without a code it has no body either.
    Refuse { status: u16, code: &'static str, retry_after: Option<u64> },
    /// Nothing is done; the answer is a 200 whose body is an error.
    OkError { code: &'static str },
    /// Nothing is done; the connection is reset.
    ResetBefore,
    /// It is done; then the connection is reset.
    LostReply,
    /// It is done; the answer is an error all the same.
    Deny { status: u16, code: &'static str },
    /// It is done; the answer has another ETag.
    WrongEtag,
    /// A HEAD tells of an object this many bytes shorter.
    ShortHead(u64),
    /// `If-None-Match` and `If-Match` of a write are not looked at.
    IgnoreCondition,
    /// The last bytes of the body are not stored, and nothing is said.
    DropTail(usize),
    /// Nothing is done, and no answer comes.
    Stall,
    /// It is done, and no answer comes.
    Hang,
}

impl Effect {
    /// Whether what goes wrong later is the store's own doing.
    pub fn excuses_the_client(&self) -> bool {
        matches!(self, Self::WrongEtag | Self::DropTail(_))
    }
}
