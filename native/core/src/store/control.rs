//! The control block of a store: atomics through which participants meet, stop, measure, report and fail together, and by which the main
//! process knows how far they are.
//!
//! Barrier: the last of the members to arrive raises the generation, and the others wait for that. On Linux they sleep on a futex
//! over the shared word, elsewhere they poll with short sleeps. A set ABORTED bit in the generation makes every present and future
//! wait fail with the recorded reason. Waiters look regularly whether the processes of the others still live. The main process says who
//! the members are, while nobody waits: `set_members` takes back an abort. native/model tries every order in which all this can happen.

use std::array::from_fn;
use std::ops::Range;
use std::sync::atomic::AtomicU8;

use schemars::JsonSchema;
use serde::Serialize;

use crate::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use crate::error::{Error, Result};
use crate::layout::MAX_PARTICIPANTS;
use crate::process;
use crate::spec::number;
use crate::store::reports::Reports;
use crate::store::waiting::{wait, wake_all};

const ABORTED: u32 = 1 << 31;
const REASON_SIZE: usize = 1024;

/// Process of a participant. `pid` 0: not opened yet; `LEFT`: closed.
#[repr(C)]
struct Seat {
    pid: AtomicU64,
    started: AtomicU64,
    /// Rises with everything that it gets done.
    beats: AtomicU64,
    /// Generation of the barrier at which it waits, one higher; 0: at none.
    waits_at: AtomicU64,
}

const LEFT: u64 = u64::MAX;

/// How far a participant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Progress {
    /// Rises with everything that it gets done: calls, micro-batches, barriers.
    #[serde(serialize_with = "number")]
    pub beats: u64,
    /// Whether it waits for others.
    pub waiting: bool,
}

#[repr(C)]
pub struct Control {
    generation: AtomicU32,
    arrived: AtomicU32,
    stop_requested: AtomicU32,
    /// The stop request as it stood when the last latching barrier was full: the same for every participant.
    stop_latched: AtomicU32,
    /// Whether the gradients of a step are to be measured, and of the next one, fixed as the stop request is.
    norms_requested: AtomicU32,
    norms_latched: AtomicU32,
    /// Steps done when the gradients were last measured; 0 before, and while it is being done.
    norms_step: AtomicU64,
    /// Twice the updates of the parameters that are done, and one more while one is in progress.
    updates: AtomicU64,
    pub reports: Reports,
    /// 1 while a reason is being written, 2 once it is there.
    reason_state: AtomicU32,
    reason_len: AtomicU32,
    reason: [AtomicU8; REASON_SIZE],
    /// Threads with which each participant takes part in updates; 0: it does not take part.
    threads: [AtomicU32; MAX_PARTICIPANTS],
    seats: [Seat; MAX_PARTICIPANTS],
}

/// As a new store has it: all zero.
impl Default for Control {
    fn default() -> Self {
        let zero = || AtomicU32::new(0);
        let long = || AtomicU64::new(0);
        Self {
            generation: zero(),
            arrived: zero(),
            stop_requested: zero(),
            stop_latched: zero(),
            norms_requested: zero(),
            norms_latched: zero(),
            norms_step: long(),
            updates: long(),
            reports: Reports::default(),
            reason_state: zero(),
            reason_len: zero(),
            reason: [const { AtomicU8::new(0) }; REASON_SIZE],
            threads: from_fn(|_| zero()),
            seats: from_fn(|_| Seat { pid: long(), started: long(), beats: long(), waits_at: long() }),
        }
    }
}

impl Control {
    /// From now on these take part, each with so many threads, and nobody else. By the main process, while no participant is in a call that others take part in; what
    /// an abort has left is gone then.
    pub fn set_members(&self, members: &[(usize, u32)]) {
        self.threads.iter().for_each(|threads| threads.store(0, Ordering::Relaxed));
        members.iter().for_each(|&(member, threads)| self.threads[member].store(threads.max(1), Ordering::Relaxed));
        self.seats.iter().for_each(|seat| seat.waits_at.store(0, Ordering::Relaxed));
        self.reports.latch();
        self.reports.latch();
        self.reason_state.store(0, Ordering::Relaxed);
        self.arrived.store(0, Ordering::Release);
        let next = |word: u32| Some((word + 1) & !ABORTED);
        let _ = self.generation.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }

    /// Whether a participant takes part.
    fn is_member(&self, participant: usize) -> bool {
        self.threads[participant].load(Ordering::Acquire) != 0
    }

    /// How many take part.
    pub fn num_members(&self) -> usize {
        (0..MAX_PARTICIPANTS).filter(|&participant| self.is_member(participant)).count()
    }

    /// Members before this one: its place among them.
    pub fn rank(&self, participant: usize) -> usize {
        (0..participant).filter(|&other| self.is_member(other)).count()
    }

    /// Threads of the members before this one, those up to it, and those of all: the part of an update that is its own.
    pub fn part(&self, participant: usize) -> (Range<usize>, usize) {
        let sum = |of: &[AtomicU32]| of.iter().map(|threads| threads.load(Ordering::Acquire) as usize).sum();
        (sum(&self.threads[..participant])..sum(&self.threads[..=participant]), sum(&self.threads))
    }

    /// Enters a process as participant; the index is that of `DeviceOptions`.
    pub fn register(&self, participant: usize) {
        let seat = &self.seats[participant];
        seat.started.store(process::start_time(std::process::id()).unwrap_or(0), Ordering::Relaxed);
        seat.pid.store(std::process::id().into(), Ordering::Release);
    }

    pub fn leave(&self, participant: usize) {
        self.seats[participant].pid.store(LEFT, Ordering::Release);
    }

    /// Numbers of the processes of participants that still live.
    pub fn processes(&self) -> Vec<u32> {
        let number = |seat: &Seat| match seat.pid.load(Ordering::Acquire) {
            0 | LEFT => None,
            pid => process::lives(pid as u32, seat.started.load(Ordering::Relaxed)).then_some(pid as u32),
        };
        self.seats.iter().filter_map(number).collect()
    }

    /// By a participant, whenever it has got something done.
    pub fn beat(&self, participant: usize) {
        self.seats[participant].beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How far each of the participants has come. One whose barrier is open waits no longer, whether it has noticed or not.
    pub fn progress(&self, participants: usize) -> Vec<Progress> {
        let barrier = u64::from(self.generation.load(Ordering::Acquire)) + 1;
        let of =
            |seat: &Seat| Progress { beats: seat.beats.load(Ordering::Relaxed), waiting: seat.waits_at.load(Ordering::Acquire) == barrier };
        self.seats[..participants].iter().map(of).collect()
    }

    pub fn request_stop(&self, requested: bool) {
        self.stop_requested.store(requested.into(), Ordering::Release);
    }

    /// Whether a stop had been requested when the last barrier with `latch` was passed.
    pub fn stop_latched(&self) -> bool {
        self.stop_latched.load(Ordering::Acquire) != 0
    }

    /// Asks for the norms of the gradients of a step to come.
    pub fn request_norms(&self) {
        self.norms_requested.store(1, Ordering::Release);
    }

    /// Whether they had been asked for when the last barrier with `latch` was passed.
    pub fn norms_latched(&self) -> bool {
        self.norms_latched.load(Ordering::Acquire) != 0
    }

    /// By every participant, before it writes its share of the norms.
    pub fn begin_norms(&self) {
        self.norms_step.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// By one participant, when all have written theirs.
    pub fn end_norms(&self, steps_done: u64) {
        self.norms_step.store(steps_done, Ordering::Release);
    }

    /// What `read` finds in the norms, with the steps done when they were measured; `None` before, and where they changed meanwhile.
    pub fn read_norms<T>(&self, read: impl FnOnce() -> T) -> Option<(u64, T)> {
        let step = self.norms_step.load(Ordering::Acquire);
        if step == 0 {
            return None;
        }
        let found = read();
        fence(Ordering::Acquire);
        (self.norms_step.load(Ordering::Relaxed) == step).then_some((step, found))
    }

    /// By every participant, before it updates its share. The next barrier with `latch` ends the update.
    pub fn begin_update(&self) {
        self.updates.fetch_or(1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// Updates done since the store was made; `None` while one is in progress, and where a participant was lost in it.
    pub fn updates(&self) -> Option<u64> {
        let word = self.updates.load(Ordering::Acquire);
        (word & 1 == 0).then_some(word / 2)
    }

    /// The number, from 1 on, of the update that is in progress or comes next.
    pub fn next_update(&self) -> u64 {
        self.updates.load(Ordering::Acquire) / 2 + 1
    }

    /// The update in progress is done. By the last member at a barrier, or by who has completed what others began.
    pub fn end_update(&self) {
        let word = self.updates.load(Ordering::Acquire);
        self.updates.store(word + (word & 1), Ordering::Release);
    }

    /// Makes every present and future wait fail with `reason`. The first reason stays.
    pub fn abort(&self, reason: &str) {
        if self.reason_state.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            let mut len = reason.len().min(REASON_SIZE);
            while !reason.is_char_boundary(len) {
                len -= 1;
            }
            for (target, byte) in self.reason.iter().zip(&reason.as_bytes()[..len]) {
                target.store(*byte, Ordering::Relaxed);
            }
            self.reason_len.store(len as u32, Ordering::Relaxed);
            self.reason_state.store(2, Ordering::Release);
        }
        self.generation.fetch_or(ABORTED, Ordering::AcqRel);
        wake_all(&self.generation);
    }

    /// Why the store was aborted; `None` while it is in order.
    pub fn aborted(&self) -> Option<Error> {
        (self.generation.load(Ordering::Acquire) & ABORTED != 0).then(|| Error::Cancelled(self.reason()))
    }

    fn reason(&self) -> String {
        if self.reason_state.load(Ordering::Acquire) != 2 {
            return "a participant was lost".into();
        }
        let len = self.reason_len.load(Ordering::Relaxed) as usize;
        let bytes: Vec<u8> = self.reason[..len].iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until all members have come here. With `latch`, the last to arrive fixes what is requested for all of them.
    /// Fails when the store is aborted, when another member is gone, and when `cancelled` is set from outside.
    pub fn meet(&self, me: usize, latch: bool, cancelled: &AtomicBool) -> Result<()> {
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(error) = self.aborted() {
            return Err(error);
        }
        if self.arrived.fetch_add(1, Ordering::AcqRel) as usize + 1 == self.num_members() {
            if latch {
                self.stop_latched.store(self.stop_requested.load(Ordering::Acquire), Ordering::Release);
                self.norms_latched.store(self.norms_requested.swap(0, Ordering::AcqRel), Ordering::Release);
                self.end_update();
            }
            self.reports.latch();
            self.arrived.store(0, Ordering::Release);
            self.advance();
            return self.aborted().map_or(Ok(()), Err);
        }
        let seat = &self.seats[me];
        seat.waits_at.store(u64::from(generation) + 1, Ordering::Release);
        while self.generation.load(Ordering::Acquire) == generation {
            if cancelled.load(Ordering::Acquire) {
                return Err(Error::Cancelled("the device was closed".into()));
            }
            wait(&self.generation, generation);
            if self.generation.load(Ordering::Acquire) == generation {
                self.look_after_others(me);
            }
        }
        seat.waits_at.store(0, Ordering::Release);
        self.beat(me);
        self.aborted().map_or(Ok(()), Err)
    }

    /// Raises the generation below the ABORTED bit, which stays as it is.
    fn advance(&self) {
        let next = |word: u32| Some((word & ABORTED) | ((word + 1) & !ABORTED));
        let _ = self.generation.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        wake_all(&self.generation);
    }

    /// Aborts when the process of another member has gone.
    fn look_after_others(&self, me: usize) {
        for (index, seat) in self.seats.iter().enumerate().filter(|(index, _)| *index != me && self.is_member(*index)) {
            match seat.pid.load(Ordering::Acquire) {
                0 => {}
                LEFT => self.abort(&format!("device process {index} has left the run")),
                pid if !process::lives(pid as u32, seat.started.load(Ordering::Relaxed)) => {
                    self.abort(&format!("device process {index} (process id {pid}) was lost"));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn control(members: usize) -> Control {
        let control = Control::default();
        control.set_members(&(0..members).map(|member| (member, 1)).collect::<Vec<_>>());
        control
    }

    #[test]
    fn nobody_passes_a_barrier_before_all_have_come() {
        let (control, never) = (control(4), AtomicBool::new(false));
        let (rounds, n) = (3000, 4);
        let counts: Vec<AtomicU32> = (0..rounds).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|scope| {
            for me in 0..n {
                let (control, counts, never) = (&control, &counts, &never);
                scope.spawn(move || {
                    for count in counts {
                        count.fetch_add(1, Ordering::Relaxed);
                        control.meet(me, false, never).unwrap();
                        assert_eq!(count.load(Ordering::Relaxed), n as u32);
                    }
                });
            }
        });
    }

    #[test]
    fn all_participants_stop_at_the_same_step() {
        let (control, never) = (control(3), AtomicBool::new(false));
        let n = 3;
        std::thread::scope(|scope| {
            let steps: Vec<_> = (0..n)
                .map(|me| {
                    let (control, never) = (&control, &never);
                    scope.spawn(move || {
                        (1..).find(|step| {
                            if me == 1 && *step == 500 {
                                control.request_stop(true);
                            }
                            control.meet(me, false, never).unwrap();
                            control.meet(me, true, never).unwrap();
                            control.stop_latched()
                        })
                    })
                })
                .collect();
            let steps: Vec<_> = steps.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert_eq!(steps, [Some(500); 3]);
        });
    }

    /// One that is ahead reports for its next barrier, while others still read what was reported for the last one.
    #[test]
    fn all_participants_see_the_same_reports_after_a_barrier() {
        let (control, never) = (control(1), AtomicBool::new(false));
        let rounds = 3000;
        for n in [1, 2, 4] {
            control.set_members(&(0..n).map(|member| (member, 1)).collect::<Vec<_>>());
            // In every third round two report, in turn.
            let reports = |round: usize, who: usize| round.is_multiple_of(3) && [round % n, (round + 1) % n].contains(&who);
            let see = |me: usize, round: usize| {
                if reports(round, me) {
                    control.reports.fault((1000 * round + me) as u64);
                    control.reports.magnitude((1000 * round + me) as u32);
                }
                control.meet(me, round.is_multiple_of(2), &never).unwrap();
                (0..me).for_each(|_| std::thread::yield_now());
                (control.reports.lowest_fault(), control.reports.largest())
            };
            let expected = |round: usize| {
                let mut reported = (0..n).filter(|&who| reports(round, who)).map(|who| 1000 * round + who);
                let (lowest, highest) = (reported.clone().next(), reported.next_back());
                (lowest.map(|code| code as u64), f64::from(f32::from_bits(highest.unwrap_or(0) as u32)))
            };
            std::thread::scope(|scope| {
                let see = &see;
                let seen: Vec<_> = (0..n).map(|me| scope.spawn(move || (0..rounds).map(|round| see(me, round)).collect())).collect();
                let expected: Vec<_> = (0..rounds).map(expected).collect();
                assert!(seen.into_iter().all(|thread| -> bool { thread.join().map(|seen: Vec<_>| seen == expected).unwrap() }));
            });
        }
    }

    #[test]
    fn norms_are_measured_once_per_request_and_not_read_while_they_are_written() {
        let (control, never) = (control(1), AtomicBool::new(false));
        let step = || {
            control.meet(0, true, &never).unwrap();
            control.norms_latched()
        };
        assert!(!step());
        control.request_norms();
        assert!(step() && !step());
        assert_eq!(control.read_norms(|| ()), None);
        control.end_norms(7);
        assert_eq!(control.read_norms(|| 5), Some((7, 5)));
        assert_eq!(control.read_norms(|| control.begin_norms()), None);
        assert_eq!(control.read_norms(|| ()), None);
    }

    #[test]
    fn an_abort_wakes_the_waiting_at_once_and_its_first_reason_stays() {
        let (control, never) = (control(2), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| control.meet(0, false, &never));
            std::thread::sleep(Duration::from_millis(30));
            let start = Instant::now();
            control.abort("device process 1 has failed");
            control.abort("later");
            let error = waiting.join().unwrap().unwrap_err();
            assert!(start.elapsed() < Duration::from_millis(100));
            assert_eq!(error, Error::Cancelled("device process 1 has failed".into()));
        });
        assert!(control.meet(1, false, &never).is_err());
    }

    #[test]
    fn a_closed_device_stops_waiting() {
        let (control, cancelled) = (control(2), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| control.meet(0, false, &cancelled));
            cancelled.store(true, Ordering::Release);
            assert_eq!(waiting.join().unwrap(), Err(Error::Cancelled("the device was closed".into())));
        });
    }

    #[test]
    fn one_that_waits_for_others_is_told_from_one_that_does_nothing() {
        let (control, never) = (control(2), AtomicBool::new(false));
        control.beat(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| control.meet(0, false, &never));
            while !control.progress(2)[0].waiting {
                std::thread::yield_now();
            }
            assert_eq!(control.progress(2), [Progress { beats: 0, waiting: true }, Progress { beats: 1, waiting: false }]);
            control.meet(1, false, &never).unwrap();
            // Open, whether the other has woken up or not.
            assert!(!control.progress(2)[0].waiting);
            waiting.join().unwrap().unwrap();
        });
        assert_eq!(control.progress(1), [Progress { beats: 1, waiting: false }]);
    }

    #[test]
    fn an_update_counts_once_all_are_through_with_it() {
        let (control, never) = (control(1), AtomicBool::new(false));
        control.meet(0, true, &never).unwrap();
        assert_eq!(control.updates(), Some(0));
        control.set_members(&[(0, 1), (1, 1)]);
        std::thread::scope(|scope| {
            let step = |me| {
                control.begin_update();
                control.meet(me, true, &never)
            };
            let first = scope.spawn(move || step(0));
            while !control.progress(2)[0].waiting {
                std::thread::yield_now();
            }
            assert_eq!(control.updates(), None);
            step(1).unwrap();
            first.join().unwrap().unwrap();
        });
        assert_eq!(control.updates(), Some(1));
        control.begin_update();
        control.abort("a device was lost");
        assert_eq!(control.updates(), None);
    }

    #[test]
    fn the_others_go_on_without_one_that_was_lost() {
        let (control, never) = (control(3), AtomicBool::new(false));
        control.abort("device process 1 was lost");
        for me in [0, 2] {
            assert!(control.meet(me, true, &never).is_err());
        }
        control.set_members(&[(0, 2), (2, 1), (70, 5)]);
        assert_eq!((control.num_members(), control.rank(0), control.rank(2), control.rank(70)), (3, 0, 1, 2));
        assert_eq!([0, 2, 70].map(|member| control.part(member)), [(0..2, 8), (2..3, 8), (3..8, 8)]);
        std::thread::scope(|scope| {
            let (control, never) = (&control, &never);
            let meetings: Vec<_> =
                [0, 2, 70].map(|me| scope.spawn(move || (0..100).try_for_each(|_| control.meet(me, true, never)))).into();
            for meeting in meetings {
                meeting.join().unwrap().unwrap();
            }
        });
    }

    #[test]
    fn one_that_left_is_named() {
        let (control, never) = (control(2), AtomicBool::new(false));
        control.leave(1);
        assert_eq!(control.meet(0, false, &never), Err(Error::Cancelled("device process 1 has left the run".into())));
    }
}
