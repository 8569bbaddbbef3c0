//! Memory that a value keeps: the program's allocator, which counts while it is asked to. What
//! others would write by hand has the system's.

// The allocator that counts is the one place; it calls the program's and adds up.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_char;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

#[cfg(not(feature = "mimalloc"))]
use System as Program;
#[cfg(feature = "mimalloc")]
use mimalloc::MiMalloc as Program;

/// Set for a process that measures as others would be: the allocator is the system's.
pub const BY_HAND: &str = "CALLGATE_BENCH_BY_HAND";

#[global_allocator]
static COUNTING: Counting = Counting {
    counts: AtomicBool::new(false),
    bytes: AtomicUsize::new(0),
    by_hand: AtomicU8::new(UNKNOWN),
};

const UNKNOWN: u8 = 2;

unsafe extern "C" {
    fn getenv(name: *const c_char) -> *mut c_char;
}

struct Counting {
    /// Else the threads of a row would wait for each other at the sum.
    counts: AtomicBool,
    bytes: AtomicUsize,
    /// Known with the first allocation, and the same for all.
    by_hand: AtomicU8,
}

impl Counting {
    #[inline]
    fn is_by_hand(&self) -> bool {
        match self.by_hand.load(Ordering::Relaxed) {
            UNKNOWN => {
                // SAFETY: the name ends with a zero; nothing changes the environment at a start.
                // `std::env` would allocate.
                let set = unsafe { !getenv(c"CALLGATE_BENCH_BY_HAND".as_ptr()).is_null() };
                self.by_hand.store(u8::from(set), Ordering::Relaxed);
                set
            }
            known => known == 1,
        }
    }

    fn add(&self, bytes: usize) {
        if self.counts.load(Ordering::Relaxed) {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call goes to one allocator as it came, which is the same for the whole process.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe {
            match self.is_by_hand() {
                true => System.alloc(layout),
                false => Program.alloc(layout),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe {
            match self.is_by_hand() {
                true => System.alloc_zeroed(layout),
                false => Program.alloc_zeroed(layout),
            }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.add(size.wrapping_sub(layout.size()));
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer came from the same.
        unsafe {
            match self.is_by_hand() {
                true => System.realloc(pointer, layout, size),
                false => Program.realloc(pointer, layout, size),
            }
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.add(layout.size().wrapping_neg());
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from the same.
        unsafe {
            match self.is_by_hand() {
                true => System.dealloc(pointer, layout),
                false => Program.dealloc(pointer, layout),
            }
        }
    }
}

/// A value, and the bytes that it keeps allocated.
pub fn of<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = COUNTING.bytes.load(Ordering::Relaxed);
    COUNTING.counts.store(true, Ordering::Relaxed);
    let value = make();
    COUNTING.counts.store(false, Ordering::Relaxed);
    let after = COUNTING.bytes.load(Ordering::Relaxed);
    (value, after.wrapping_sub(before))
}
