//! Random loads, the oracle that judges them, and what must not be lost of them.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::super::queue::READ_AHEAD;
use super::{LINK, MIB, Order, Run, Segment, outcome, shipped};

const KIB: u64 = 1 << 10;

/// More than the link provides.
const UNLIMITED: u64 = 1 << 40;

/// The oracle: whether some order loses nothing, by the demand bound. On one link that can be
/// preempted at any time, an order exists if and only if no interval needs more than the link
/// transfers in it. The link has `percent` of its speed.
///
/// Connections count as a second link, in connection-seconds: `half` of the parts that fit into
/// memory must suffice. Spare capacity covers what fills the memory when a recording appears, and
/// what shares it with its last parts.
fn can_all_be_saved(segments: &[Segment], percent: u64) -> bool {
    let (limits, part) = shipped();
    let permits = limits.memory / (part + READ_AHEAD);
    let longest =
        segments.iter().map(|segment| part * 1000 / segment.pace.min(LINK)).max().unwrap_or(0);
    segments.iter().all(|begin| {
        segments.iter().filter(|end| end.deadline > begin.comes).all(|end| {
            let within = |segment: &&Segment| {
                segment.comes >= begin.comes && segment.deadline <= end.deadline
            };
            let length = end.deadline - begin.comes;
            let bytes: u64 = segments.iter().filter(within).map(|segment| segment.bytes).sum();
            let seconds = |segment: &Segment| match segment.pace {
                pace if pace * permits / 2 >= LINK => 0,
                pace => segment.bytes * 1000 / pace,
            };
            let connections: u64 = segments.iter().filter(within).map(seconds).sum();
            let fits = bytes + 2 * permits * part <= LINK * percent / 100 * length / 1000;
            let lasts = connections == 0 || connections + permits * longest <= permits / 2 * length;
            bytes == 0 || (fits && lasts)
        })
    })
}

/// How much the hosts of a load give each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hosts {
    /// The whole link.
    Fast,
    /// An eighth of the link.
    Capped,
    /// From 60 KiB per second up to the whole link.
    Uneven,
}

/// A load whose recordings need about `fill` percent of the link until the last deadline.
fn load(seed: u64, fill: u64, at_once: bool, hosts: Hosts) -> Vec<Segment> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = random.random_range(2..=24_usize);
    let span: u64 = 10 * 60_000;
    let mut segments: Vec<Segment> = (0..count)
        .map(|_| {
            let comes = if at_once { 0 } else { random.random_range(0..span / 2) };
            let deadline = random.random_range(comes + 20_000..=span);
            let pace = match hosts {
                Hosts::Fast => UNLIMITED,
                Hosts::Capped => LINK / 8,
                Hosts::Uneven => (60 * KIB) << random.random_range(0..=8_u32),
            };
            Segment { comes, deadline, bytes: random.random_range(1..=1_000), pace }
        })
        .collect();
    let asked: u64 = segments.iter().map(|segment| segment.bytes).sum();
    let room = LINK / 1000 * span * fill / 100;
    for segment in &mut segments {
        segment.bytes = (segment.bytes * (room / asked)).max(1);
    }
    segments
}

/// The first of its recordings come while the backfill has claimed all that it may.
#[test]
fn one_accounts_backfill_does_not_starve_anothers_urgent_night() {
    let minute = 60_000;
    let backfill = Segment { comes: 0, deadline: 600 * minute, bytes: 64 * MIB, pace: UNLIMITED };
    let mut segments = vec![backfill; 60];
    segments.extend((1..=5).map(|nth| Segment {
        comes: nth * minute,
        deadline: nth * minute + minute / 2,
        bytes: 100 * MIB,
        pace: UNLIMITED,
    }));
    assert_eq!(outcome(&segments, Order::ByUrgency).lost, Vec::<usize>::new());
    let by_arrival = outcome(&segments, Order::Fifo).lost;
    assert_eq!(by_arrival.len(), 5, "the load is one that starves where nobody looks at deadlines");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn nothing_known_from_the_start_is_lost_that_some_order_would_save(
        seed in any::<u64>(), fill in 10_u64..=120
    ) {
        let segments = load(seed, fill, true, Hosts::Fast);
        if can_all_be_saved(&segments, 100) {
            prop_assert_eq!(outcome(&segments, Order::ByUrgency).lost, Vec::<usize>::new());
        }
    }

    #[test]
    fn nothing_that_comes_later_is_lost_that_some_order_would_save_with_a_twentieth_to_spare(
        seed in any::<u64>(), fill in 10_u64..=120
    ) {
        let segments = load(seed, fill, false, Hosts::Fast);
        if can_all_be_saved(&segments, 95) {
            prop_assert_eq!(outcome(&segments, Order::ByUrgency).lost, Vec::<usize>::new());
        }
    }

    #[test]
    fn nothing_is_lost_that_some_order_would_save_over_half_of_the_connections(
        seed in any::<u64>(), fill in 1_u64..=60, at_once in any::<bool>()
    ) {
        let segments = load(seed, fill, at_once, Hosts::Uneven);
        if can_all_be_saved(&segments, 95) {
            prop_assert_eq!(outcome(&segments, Order::ByUrgency).lost, Vec::<usize>::new());
        }
    }
}

/// Segment A is deleted before it can arrive; five others are small and faster.
#[test]
fn slow_first_parts_starve_nobody_whenever_the_others_come() {
    for later in [0, 100, 1_000, 10_000, 20_000] {
        let a = Segment { comes: 0, deadline: 43_000, bytes: 97 * MIB, pace: 60_000 };
        let other = |number: u64| Segment {
            comes: later,
            deadline: 50_000 + number * 8_000,
            bytes: 2_000_000,
            pace: 400_000,
        };
        let segments: Vec<Segment> = std::iter::once(a).chain((0..5).map(other)).collect();
        let ran = outcome(&segments, Order::ByUrgency);
        assert_eq!((ran.lost, ran.warned), (vec![0], vec![0]), "{later} ms later");
    }
}

/// A recording that takes all night holds up nothing that takes seconds, even though it is more
/// urgent.
#[test]
fn a_slow_urgent_recording_holds_up_nothing_else() {
    const DAY: u64 = 24 * 3_600_000;
    for pace in [1_100, 20_000] {
        let urgent = Segment { comes: 0, deadline: 2 * DAY, bytes: 60 * MIB, pace };
        let other = Segment { comes: 500, deadline: 30 * DAY, bytes: 20 * MIB, pace: UNLIMITED };
        let segments = [urgent, other, other];
        let mut run = Run::new(&segments, Order::ByUrgency);
        while run.now < 150_000.0 {
            run.come_and_go();
            while run.ask() | run.serve() {}
            run.advance();
        }
        assert_eq!(run.is_over, [false, true, true], "{pace}");
        assert_eq!(run.outcome.lost, [0; 0], "{pace}");
    }
}

/// How much the random loads lose, and how many of them need not lose anything.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    loads: usize,
    segments: usize,
    lost: usize,
    warned_of: usize,
    fifo_lost: usize,
    savable: usize,
    savable_lost: usize,
    savable_fifo_lost: usize,
}

fn tally(hosts: Hosts, fill: std::ops::RangeInclusive<u64>) -> Tally {
    let mut tally = Tally::default();
    // Of each kind 200 where the code is optimised: there they take seconds, and make the figures.
    let loads = if cfg!(debug_assertions) { 8 } else { 200 };
    for seed in 0..loads {
        let fill = fill.start() + seed % (fill.end() - fill.start() + 1);
        let segments = load(seed, fill, seed % 2 == 0, hosts);
        let ran = outcome(&segments, Order::ByUrgency);
        let fifo_lost = outcome(&segments, Order::Fifo).lost.len();
        tally.loads += 1;
        tally.segments += segments.len();
        tally.lost += ran.lost.len();
        tally.warned_of += ran.warned.len();
        tally.fifo_lost += fifo_lost;
        if can_all_be_saved(&segments, 95) {
            tally.savable += 1;
            tally.savable_lost += ran.lost.len();
            tally.savable_fifo_lost += fifo_lost;
        }
    }
    tally
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are for the guarantees page")]
fn random_loads_lose_nothing_that_need_not_be_lost_and_less_than_first_come_first_served() {
    for (name, hosts, fill) in [
        ("light", Hosts::Fast, 10..=70),
        ("full", Hosts::Fast, 70..=100),
        ("overloaded", Hosts::Fast, 100..=300),
        ("light to full, a connection capped at an eighth of the link", Hosts::Capped, 10..=100),
        ("light, uneven connections, some very slow", Hosts::Uneven, 1..=25),
    ] {
        let tally = tally(hosts, fill);
        println!("{name}: {tally:?}");
        assert!(tally.savable_lost == 0 && tally.lost < tally.fifo_lost, "{name}: {tally:?}");
    }
}
