//! A number that several CPUs change at once.

/// A `u64` in a map's value. All operations are relaxed: each cell stands for itself.
pub trait Cell {
    /// Its value.
    fn get(&self) -> u64;
    /// Overwrites it.
    fn set(&self, value: u64);
    /// Adds, wrapping.
    fn add(&self, by: u64);
    /// Overwrites it if it still is `old`; says whether it was.
    fn replace(&self, old: u64, new: u64) -> bool;
}

#[cfg(not(target_arch = "bpf"))]
impl Cell for &core::sync::atomic::AtomicU64 {
    fn get(&self) -> u64 {
        self.load(core::sync::atomic::Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.store(value, core::sync::atomic::Ordering::Relaxed);
    }

    fn add(&self, by: u64) {
        self.fetch_add(by, core::sync::atomic::Ordering::Relaxed);
    }

    fn replace(&self, old: u64, new: u64) -> bool {
        use core::sync::atomic::Ordering::Relaxed;
        self.compare_exchange(old, new, Relaxed, Relaxed).is_ok()
    }
}
