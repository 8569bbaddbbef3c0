//! Memory that a value keeps: the program's allocator, which counts while it is asked to.

// The allocator that counts is the one place; it calls the program's and adds up.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(feature = "mimalloc")]
use mimalloc::MiMalloc as Program;
#[cfg(not(feature = "mimalloc"))]
use std::alloc::System as Program;

#[global_allocator]
static COUNTING: Counting = Counting {
    counts: AtomicBool::new(false),
    bytes: AtomicUsize::new(0),
};

struct Counting {
    /// Else the threads of a row would wait for each other at the sum.
    counts: AtomicBool,
    bytes: AtomicUsize,
}

impl Counting {
    fn add(&self, bytes: usize) {
        if self.counts.load(Ordering::Relaxed) {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

// SAFETY: every call goes to the program's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { Program.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { Program.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.add(size.wrapping_sub(layout.size()));
        // SAFETY: the caller keeps the contract of `realloc`, and the pointer came from `Program`.
        unsafe { Program.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.add(layout.size().wrapping_neg());
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from `Program`.
        unsafe { Program.dealloc(pointer, layout) }
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
