//! Every order in which two devices and the main process can meet, stop, abort and begin anew.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::thread;
use sdp_model::control::Control;

/// Tries all orders with at most so many preemptions.
fn explore(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(test);
}

/// A device in a call: its barriers, and the first error.
fn meets(control: &Control, me: usize, latch: bool) -> bool {
    control.meet(me, latch, &AtomicBool::new(false)).is_ok()
}

fn of_two() -> Arc<Control> {
    let control = Control::default();
    control.set_members(&[(0, 1), (1, 1)]);
    Arc::new(control)
}

#[test]
fn nobody_passes_a_barrier_before_all_have_come_and_what_was_written_before_it_is_seen_behind_it() {
    explore(3, || {
        let control = of_two();
        let counts: Arc<[AtomicU32; 2]> = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let device = |me: usize| {
            let (control, counts) = (control.clone(), counts.clone());
            move || {
                for count in counts.iter() {
                    count.fetch_add(1, Ordering::Relaxed);
                    assert!(meets(&control, me, false));
                    assert_eq!(count.load(Ordering::Relaxed), 2);
                }
            }
        };
        let other = thread::spawn(device(1));
        device(0)();
        other.join().unwrap();
    });
}

#[test]
fn a_stop_and_reports_are_the_same_for_all_whenever_they_come() {
    explore(2, || {
        let control = of_two();
        let device = |me: usize| {
            let control = control.clone();
            move || {
                control.reports.fault(5 + me as u64);
                let both = meets(&control, me, true);
                assert!(both);
                (control.stop_latched(), control.reports.lowest_fault())
            }
        };
        let other = thread::spawn(device(1));
        let main = thread::spawn({
            let control = control.clone();
            move || control.request_stop(true)
        });
        let seen = device(0)();
        assert_eq!(seen.1, Some(5));
        assert_eq!(other.join().unwrap(), seen);
        main.join().unwrap();
    });
}

#[test]
fn an_update_is_done_for_all_or_for_nobody_wherever_an_abort_comes_and_the_same_members_go_on() {
    explore(2, || {
        let control = of_two();
        let device = |me: usize| {
            let control = control.clone();
            move || {
                control.begin_update();
                meets(&control, me, true)
            }
        };
        let (first, second) = (thread::spawn(device(0)), thread::spawn(device(1)));
        control.abort("a device was lost");
        let passed = [first.join().unwrap(), second.join().unwrap()];
        assert!(control.aborted().is_some());
        // Whoever has passed knows that it is done; whoever has not asks the store.
        match control.updates() {
            Some(done) => assert_eq!(done, 1),
            None => assert_eq!(passed, [false, false]),
        }
        // As the main process does: what was begun becomes whole, and all go on.
        control.end_update();
        control.set_members(&[(0, 1), (1, 1)]);
        let second = thread::spawn(device(1));
        assert!(device(0)());
        assert!(second.join().unwrap());
        assert_eq!(control.updates(), Some(2));
    });
}

#[test]
fn one_goes_on_alone_where_the_other_was_lost_in_an_update_before_its_barrier() {
    explore(3, || {
        let control = of_two();
        let waiting = thread::spawn({
            let control = control.clone();
            move || {
                control.begin_update();
                meets(&control, 0, true)
            }
        });
        let lost = thread::spawn({
            let control = control.clone();
            move || control.begin_update()
        });
        control.abort("a device was lost");
        assert!(!waiting.join().unwrap());
        lost.join().unwrap();
        assert_eq!(control.updates(), None);
        control.end_update();
        control.set_members(&[(0, 1)]);
        assert!(meets(&control, 0, false) && meets(&control, 0, true));
        assert_eq!((control.updates(), control.rank(0), control.num_members()), (Some(1), 0, 1));
    });
}

#[test]
fn another_takes_the_place_of_one_that_was_lost() {
    explore(2, || {
        let control = of_two();
        let waiting = thread::spawn({
            let control = control.clone();
            move || meets(&control, 0, false)
        });
        control.abort("a device was lost");
        assert!(!waiting.join().unwrap());
        control.set_members(&[(0, 1), (2, 1)]);
        let other = thread::spawn({
            let control = control.clone();
            move || meets(&control, 2, false) && meets(&control, 2, true)
        });
        assert!(meets(&control, 0, false) && meets(&control, 0, true));
        assert!(other.join().unwrap());
    });
}

#[test]
fn one_whose_barrier_is_open_does_not_count_as_waiting() {
    explore(3, || {
        let control = of_two();
        let first = thread::spawn({
            let control = control.clone();
            move || meets(&control, 0, false)
        });
        assert!(meets(&control, 1, false));
        assert!(!control.progress(2)[0].waiting);
        assert!(first.join().unwrap());
        assert!(control.progress(2).iter().all(|seat| !seat.waiting));
    });
}
