//! Numbers that the kernel's verifier must not foresee.
//!
//! The verifier knows the outcome of a comparison with a number that it knows, and walks what follows each outcome as a
//! state of its own: every combination of clocks with and without a limit, 174 000 instructions. A number that is combined
//! with one from a map is unknown to it, and what follows is walked once.

use crate::cell::Cell;

/// A cell of a map that is 0 for ever.
#[derive(Clone, Copy)]
pub struct Zero<C>(pub C);

impl<C: Cell> Zero<C> {
    /// Returns the same number, unknown to the verifier.
    #[inline(always)]
    pub fn blur(&self, number: u64) -> u64 {
        number ^ self.0.get()
    }
}
