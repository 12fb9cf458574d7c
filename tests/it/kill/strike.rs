//! Where a run can be killed, and the one place at which it is.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A moment in the life of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The server has not heard of it.
    Before,
    /// The server has half of its body.
    HalfSent,
    /// The server has done it, and the program does not know.
    Done,
    /// The program has half of the reply's body.
    HalfReplied,
    /// The program has all of the reply.
    After,
}

/// A place to kill the program at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point {
    /// Which request: the server, what is asked, and the how manieth of its like it is.
    pub request: String,
    pub phase: Phase,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.phase, self.request)
    }
}

impl Point {
    /// What kind of request it is: without numbers.
    pub fn kind(&self) -> String {
        self.request.chars().filter(|c| !c.is_ascii_digit()).collect()
    }
}

/// When to kill the program.
#[derive(Debug, Clone)]
pub enum Kill {
    At(Point),
    /// So long after its start.
    After(Duration),
    /// So long after its start, while the request that comes to the point goes on no more.
    Stuck(Point, Duration),
}

impl Kill {
    /// The same at the request of its like that comes one before it; `None` for the first.
    pub fn one_before(&self) -> Option<Self> {
        let Self::At(Point { request, phase }) = self else { return None };
        let (like, number) = request.rsplit_once(" #")?;
        let before = number.parse::<u32>().ok()?.checked_sub(1).filter(|number| *number > 0)?;
        Some(Self::At(Point { request: format!("{like} #{before}"), phase: *phase }))
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(point) => write!(f, "{point}"),
            Self::After(span) => write!(f, "{span:?}"),
            Self::Stuck(point, span) => write!(f, "{span:?}, stuck {point}"),
        }
    }
}

#[derive(Debug, Default)]
struct State {
    target: Option<Point>,
    stuck: Option<Point>,
    counts: HashMap<String, u32>,
    passed: Vec<Point>,
    is_down: bool,
    life: CancellationToken,
}

/// Every proxy of a world reports to it, and stands still from the strike until the world is healed.
#[derive(Debug, Default)]
pub struct Watch {
    state: Mutex<State>,
    struck: Notify,
}

impl Watch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next run is to be killed there.
    pub fn aim(&self, at: Option<&Kill>) {
        let mut state = self.state();
        (state.target, state.stuck) = match at.cloned() {
            Some(Kill::At(point)) => (Some(point), None),
            Some(Kill::Stuck(point, _)) => (None, Some(point)),
            _ => (None, None),
        };
        state.counts.clear();
        state.passed.clear();
    }

    /// The points that were passed since the last aim.
    pub fn passed(&self) -> Vec<Point> {
        self.state().passed.clone()
    }

    /// Numbers a request.
    pub fn number(&self, request: &str) -> String {
        let mut state = self.state();
        let count = state.counts.entry(request.to_owned()).or_default();
        *count += 1;
        format!("{request} #{count}")
    }

    /// A request has come to a phase. Nothing goes on beyond the one that is aimed at.
    pub async fn reach(&self, request: &str, phase: Phase) {
        {
            let mut state = self.state();
            let point = Point { request: request.to_owned(), phase };
            if !state.is_down && state.target.as_ref() == Some(&point) {
                (state.is_down, state.target) = (true, None);
                self.struck.notify_one();
            }
            if !state.is_down && state.stuck.as_ref() != Some(&point) {
                state.passed.push(point);
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Waits for ever once the program is to die.
    pub async fn pass(&self) {
        if self.state().is_down {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the program is to be killed.
    pub async fn struck(&self) {
        self.struck.notified().await;
    }

    /// What the connections of the program live for.
    pub fn life(&self) -> CancellationToken {
        self.state().life.clone()
    }

    /// The program is dead: its connections are closed, and new ones are served again.
    pub fn heal(&self) {
        let mut state = self.state();
        std::mem::take(&mut state.life).cancel();
        (state.is_down, state.target) = (false, None);
    }
}

#[test]
fn what_does_not_come_is_struck_one_earlier_down_to_the_first() {
    let point = Point { request: "ledger commit #3".into(), phase: Phase::Done };
    let kills = std::iter::successors(Some(Kill::At(point)), Kill::one_before);
    let names: Vec<String> = kills.map(|kill| kill.to_string()).collect();
    assert_eq!(names, ["Done ledger commit #3", "Done ledger commit #2", "Done ledger commit #1"]);
    assert!(Kill::After(Duration::ZERO).one_before().is_none());
}
