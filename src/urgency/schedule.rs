//! The policy over random loads, in virtual time: a link, parts in flight, recordings that come and
//! are deleted. What is decided is decided by the functions of this module's parent alone; whether a
//! load could have been saved is decided by an oracle that knows none of them.
//!
//! What is claimed: nothing is lost of a load that is known from the start, where some order loses
//! nothing with twice the parts in flight to spare; where recordings come later, with a twentieth of
//! the link to spare as well. (A recording that is not pressed leaves connections to others; what
//! they take cannot be had back when something urgent comes.) The speed is known and steady here,
//! and `files` × `ranges` connections can fill the memory.

use jiff::Timestamp;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::{Claim, Moment, Rate, Urgency, first, is_pressed, may_begin, may_go_on};

/// One recording of a load; times in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Film {
    comes: u64,
    deadline: u64,
    bytes: u64,
}

/// The link and the limits of a run.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Bytes per second over all connections.
    rate: u64,
    /// Bytes per second of one connection.
    per_connection: u64,
    part: u64,
    /// Parts that the memory holds.
    in_flight: usize,
    files: usize,
    ranges: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// This program's.
    ByUrgency,
    /// As they come: a slot is kept to the end, and the parts of those under way take turns.
    Fifo,
}

/// What a run has come to.
#[derive(Debug, Default, Clone, PartialEq)]
struct Outcome {
    lost: Vec<usize>,
    /// Parts of what could not make it that were fetched while something that could had to wait.
    wasted: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    ToCome,
    Waiting,
    Begun,
    Over,
}

/// A run at one moment. Milliseconds and bytes are fractions here, as a link is shared evenly.
struct Run<'a> {
    films: &'a [Film],
    limits: Limits,
    order: Order,
    now: f64,
    stages: Vec<Stage>,
    /// Bytes not asked for yet, and parts asked for so far.
    unasked: Vec<u64>,
    asked: Vec<usize>,
    /// The parts in flight: whose, and the bytes still to come.
    flying: Vec<(usize, f64)>,
    outcome: Outcome,
}

/// Less than this is nothing: of a byte, of a millisecond.
const NOTHING: f64 = 1e-6;

impl<'a> Run<'a> {
    fn new(films: &'a [Film], limits: Limits, order: Order) -> Self {
        Self {
            films,
            limits,
            order,
            now: 0.0,
            stages: vec![Stage::ToCome; films.len()],
            unasked: films.iter().map(|film| film.bytes).collect(),
            asked: vec![0; films.len()],
            flying: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn finish(mut self) -> Outcome {
        while self.stages.iter().any(|stage| *stage != Stage::Over) {
            self.come_and_go();
            self.begin();
            self.ask();
            self.advance();
        }
        self.outcome
    }

    fn moment(&self) -> Moment {
        let now = Timestamp::from_millisecond(self.now.ceil() as i64).unwrap();
        Moment { now, rate: Some(Rate(self.limits.rate)) }
    }

    fn claim(&self, film: usize) -> Claim {
        let flying = self.flying.iter().filter(|(whose, _)| *whose == film);
        let flying: f64 = flying.map(|(_, bytes)| bytes).sum();
        Claim {
            deadline: Timestamp::from_millisecond(self.films[film].deadline as i64).ok(),
            remaining: Some(self.unasked[film] + flying.floor() as u64),
        }
    }

    fn urgency(&self, film: usize) -> Urgency {
        Urgency::of(self.claim(film), self.moment())
    }

    fn at(&self, stage: Stage) -> Vec<usize> {
        (0..self.films.len()).filter(|film| self.stages[*film] == stage).collect()
    }

    fn come_and_go(&mut self) {
        for film in 0..self.films.len() {
            let Film { comes, deadline, .. } = self.films[film];
            let is_here = comes as f64 <= self.now + NOTHING;
            if self.stages[film] == Stage::ToCome && is_here {
                self.stages[film] = Stage::Waiting;
            }
            let is_whole = self.unasked[film] == 0 && !self.flying.iter().any(|(f, _)| *f == film);
            let is_gone = deadline as f64 <= self.now + NOTHING;
            if self.stages[film] != Stage::Over && (is_whole || is_gone) {
                if !is_whole {
                    self.outcome.lost.push(film);
                }
                self.flying.retain(|(whose, _)| *whose != film);
                self.stages[film] = Stage::Over;
            }
        }
    }

    fn begin(&mut self) {
        loop {
            let (waiting, begun) = (self.at(Stage::Waiting), self.at(Stage::Begun));
            let next = match self.order {
                Order::Fifo => waiting.iter().copied().min_by_key(|f| (self.films[*f].comes, *f)),
                Order::ByUrgency => {
                    first(waiting.iter().map(|film| self.urgency(*film))).map(|at| waiting[at])
                }
            };
            let Some(next) = next else { return };
            let may = match self.order {
                Order::Fifo => begun.len() < self.limits.files,
                Order::ByUrgency => {
                    let begun = begun.iter().map(|film| self.urgency(*film));
                    may_begin(self.urgency(next), begun, self.limits.files)
                }
            };
            if !may {
                return;
            }
            self.stages[next] = Stage::Begun;
        }
    }

    /// Whether a film that is under way would take another part.
    fn takes(&self, film: usize) -> bool {
        let flying = self.flying.iter().filter(|(whose, _)| *whose == film).count();
        self.unasked[film] > 0 && (flying < self.limits.ranges || self.is_pressed(film))
    }

    fn is_pressed(&self, film: usize) -> bool {
        let is_here = |film: &usize| matches!(self.stages[*film], Stage::Waiting | Stage::Begun);
        let others = (0..self.films.len()).filter(|other| *other != film).filter(is_here);
        let others = others.map(|other| self.claim(other));
        self.order == Order::ByUrgency && is_pressed(self.claim(film), others, self.moment())
    }

    fn ask(&mut self) {
        while self.flying.len() < self.limits.in_flight {
            let mut takers = self.at(Stage::Begun);
            takers.retain(|film| self.takes(*film));
            let urgencies: Vec<Urgency> = takers.iter().map(|film| self.urgency(*film)).collect();
            let next = match self.order {
                Order::Fifo => takers.iter().copied().min_by_key(|film| (self.asked[*film], *film)),
                Order::ByUrgency => first(urgencies.iter().copied()).map(|at| takers[at]),
            };
            let Some(next) = next else { return };
            let waiting: Vec<Urgency> =
                self.at(Stage::Waiting).into_iter().map(|film| self.urgency(film)).collect();
            let asking = self.urgency(next);
            if self.order == Order::ByUrgency && !may_go_on(asking, waiting.iter().copied()) {
                return;
            }
            let mut others = urgencies.iter().chain(&waiting);
            let is_another_savable = others.any(|other| other.is_savable());
            self.outcome.wasted += usize::from(!asking.is_savable() && is_another_savable);
            let bytes = self.unasked[next].min(self.limits.part);
            self.unasked[next] -= bytes;
            self.asked[next] += 1;
            self.flying.push((next, bytes as f64));
        }
    }

    /// Lets time pass to the next end of a part, coming or deletion.
    fn advance(&mut self) {
        let shared = self.limits.rate as f64 / self.flying.len().max(1) as f64;
        let speed = shared.min(self.limits.per_connection as f64) / 1000.0;
        let ends = self.flying.iter().map(|(_, bytes)| bytes / speed);
        let waits = self.films.iter().zip(&self.stages).filter_map(|(film, stage)| match stage {
            Stage::ToCome => Some(film.comes as f64 - self.now),
            Stage::Waiting | Stage::Begun => Some(film.deadline as f64 - self.now),
            Stage::Over => None,
        });
        let Some(step) = ends.chain(waits).min_by(f64::total_cmp) else { return };
        let step = step.max(0.0);
        self.now += step;
        for (_, bytes) in &mut self.flying {
            *bytes -= step * speed;
        }
        self.flying.retain(|(_, bytes)| *bytes > NOTHING);
    }
}

fn outcome(films: &[Film], limits: Limits, order: Order) -> Outcome {
    Run::new(films, limits, order).finish()
}

/// The oracle: whether some order loses nothing, by the demand bound. On one link that can be
/// interrupted at any time, an order exists if and only if no interval is asked to hold more than
/// the link moves in it. `spare` bytes are left over in each, and the link has `percent` of its
/// speed.
fn can_all_be_saved(films: &[Film], rate: u64, spare: u64, percent: u64) -> bool {
    let rate = u128::from(rate) * u128::from(percent) / 100;
    films.iter().all(|begin| {
        films.iter().filter(|end| end.deadline > begin.comes).all(|end| {
            let within = films
                .iter()
                .filter(|film| film.comes >= begin.comes && film.deadline <= end.deadline);
            let demand: u64 = within.map(|film| film.bytes).sum();
            let room = rate * u128::from(end.deadline - begin.comes) / 1000;
            demand == 0 || u128::from(demand + spare) <= room
        })
    })
}

/// What the claims leave out: the parts that fill the memory when a recording comes, and those that
/// share the link with its last ones.
fn quantum(limits: Limits) -> u64 {
    2 * limits.in_flight as u64 * limits.part
}

const MIB: u64 = 1 << 20;

/// The program's defaults on a link of 10 MiB/s.
const USUAL: Limits = Limits {
    rate: 10 * MIB,
    per_connection: u64::MAX,
    part: 8 * MIB,
    in_flight: 8,
    files: 4,
    ranges: 4,
};

/// A load whose recordings ask in all for about `fill` percent of the link until the last deadline.
fn load(seed: u64, fill: u64, at_once: bool) -> Vec<Film> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = random.random_range(2..=24_usize);
    let span: u64 = 20 * 60_000;
    let mut films: Vec<Film> = (0..count)
        .map(|_| {
            let comes = if at_once { 0 } else { random.random_range(0..span / 2) };
            let deadline = random.random_range(comes + 20_000..=span);
            Film { comes, deadline, bytes: random.random_range(1..=1_000) }
        })
        .collect();
    let asked: u64 = films.iter().map(|film| film.bytes).sum();
    let room = USUAL.rate / 1000 * span * fill / 100;
    for film in &mut films {
        film.bytes = (film.bytes * (room / asked)).max(1);
    }
    films
}

fn limits() -> impl Strategy<Value = Limits> {
    (1_usize..=12, 1_usize..=5, 1_usize..=5, 5_u64..=16).prop_map(
        |(in_flight, files, ranges, part)| {
            let in_flight = in_flight.min(files * ranges);
            Limits { part: part * MIB, in_flight, files, ranges, ..USUAL }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_known_from_the_start_is_lost_that_some_order_would_save(
        seed in any::<u64>(), fill in 10_u64..=120, limits in limits()
    ) {
        let films = load(seed, fill, true);
        if can_all_be_saved(&films, limits.rate, quantum(limits), 100) {
            prop_assert_eq!(outcome(&films, limits, Order::ByUrgency).lost, Vec::<usize>::new());
        }
    }

    #[test]
    fn nothing_that_comes_later_is_lost_that_some_order_would_save_with_a_twentieth_to_spare(
        seed in any::<u64>(), fill in 10_u64..=120, limits in limits()
    ) {
        let films = load(seed, fill, false);
        if can_all_be_saved(&films, limits.rate, quantum(limits), 95) {
            prop_assert_eq!(outcome(&films, limits, Order::ByUrgency).lost, Vec::<usize>::new());
        }
    }

    #[test]
    fn what_cannot_make_it_takes_no_part_from_what_can(
        seed in any::<u64>(), fill in 80_u64..=400, limits in limits(), at_once in any::<bool>()
    ) {
        let films = load(seed, fill, at_once);
        let ran = outcome(&films, limits, Order::ByUrgency);
        prop_assert_eq!(ran.wasted, 0);
    }
}

/// What a thousand loads lose, and how many of them need not lose anything.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    loads: usize,
    films: usize,
    lost: usize,
    fifo_lost: usize,
    savable: usize,
    savable_lost: usize,
    savable_fifo_lost: usize,
}

fn tally(limits: Limits, fill: std::ops::RangeInclusive<u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..250 {
        let fill = fill.start() + seed % (fill.end() - fill.start() + 1);
        let films = load(seed, fill, seed % 2 == 0);
        let lost = outcome(&films, limits, Order::ByUrgency).lost.len();
        let fifo_lost = outcome(&films, limits, Order::Fifo).lost.len();
        tally.loads += 1;
        tally.films += films.len();
        tally.lost += lost;
        tally.fifo_lost += fifo_lost;
        if can_all_be_saved(&films, limits.rate, quantum(limits), 95) {
            tally.savable += 1;
            tally.savable_lost += lost;
            tally.savable_fifo_lost += fifo_lost;
        }
    }
    tally
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures are for the guarantees page")]
fn a_thousand_loads_lose_nothing_that_need_not_be_lost_and_less_than_first_come_first_served() {
    let capped = Limits { per_connection: USUAL.rate / 8, ..USUAL };
    for (name, limits, fill) in [
        ("light", USUAL, 10..=70),
        ("full", USUAL, 70..=100),
        ("overloaded", USUAL, 100..=300),
        ("light to full, a connection capped at an eighth of the link", capped, 10..=100),
    ] {
        let tally = tally(limits, fill);
        println!("{name}: {tally:?}");
        assert!(tally.savable_lost == 0 && tally.lost < tally.fifo_lost, "{name}: {tally:?}");
    }
}
