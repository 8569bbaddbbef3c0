//! Memory that a value keeps: an allocator that counts.

// The allocator that counts is the one place; it calls the system's and adds up.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

#[global_allocator]
static COUNTING: Counting = Counting {
    bytes: AtomicUsize::new(0),
};

struct Counting {
    bytes: AtomicUsize,
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.bytes.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.bytes.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// A value, and the bytes that it keeps allocated.
pub fn of<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = COUNTING.bytes.load(Ordering::Relaxed);
    let value = make();
    let after = COUNTING.bytes.load(Ordering::Relaxed);
    (value, after.saturating_sub(before))
}
