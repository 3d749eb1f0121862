//! `thread_number.rs` without the standard library: nobody tells threads apart. So none has
//! a number of its own, none owns a counter, and all of them share one.

/// How many threads at once may have a number of their own, if there were any: what a
/// counter is called has to fit for both.
pub(crate) const NUMBERS: usize = 512;

/// This thread's number.
pub(crate) const fn number() -> usize {
    NUMBERS
}

/// One larger than any.
#[inline(always)]
pub(crate) const fn known() -> usize {
    NUMBERS
}

/// How many counters there are.
pub(crate) const fn stripes() -> usize {
    1
}
