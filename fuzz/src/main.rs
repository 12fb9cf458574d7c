//! One program for every target: `FUZZ_TARGET` names the one to run, libFuzzer's own flags follow.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use replay_archiver::fuzzing::{TARGETS, Target};

/// The most memory that may be in use at a time, in bytes: inputs have 64 KiB at most. libFuzzer's
/// own limit needs a sanitizer, which a stable toolchain does not have.
const MOST: usize = 64 << 20;

/// The system's allocator, counted.
struct Counted;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

fn grow(by: usize) {
    if IN_USE.fetch_add(by, Ordering::Relaxed) + by > MOST {
        // Nothing here may allocate; abort leaves the input behind, as a panic does.
        std::process::abort();
    }
}

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let known = TARGETS.into_iter().find(|(name, _)| *name == wanted);
    known.unwrap_or_else(|| {
        let names = TARGETS.map(|(name, _)| name).join(" ");
        eprintln!("FUZZ_TARGET is {wanted:?}; there are {names}");
        std::process::exit(2)
    })
});

fuzz_target!(|data: &[u8]| TARGET.1(data));
