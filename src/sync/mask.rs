//! How a program without the standard library keeps interrupts away while a lock is held.

/// Says how interrupts are masked, for a program whose interrupt handlers use the same
/// semaphores as what they interrupt. It is for builds without the feature `std`; with it
/// nothing is changed.
///
/// Calls that take no lock need it not: `try_acquire` and its kin, `snapshot`, and what gives
/// permits back while nobody waits; but the first permit of a semaphore with
/// [generations](crate::Builder::generations), and the first token of a
/// [`Tracker`](crate::generation::Tracker), do. All others hold a lock that spins when it is taken: for a
/// few dozen instructions, or some for each who waits, as in [`close`](crate::Semaphore::close)
/// or when max grows. A handler that has interrupted its holder would spin for ever. So `mask`
/// is called before a lock is taken, and `unmask`, with what that has returned, when it is free
/// again. Where the processor compares and swaps, but has no atomics of 64 bits (thumbv7m,
/// riscv32imac), these are such a lock, and every call masks. In a program with a scheduler that
/// preempts, and no handlers, the two may keep other tasks of the same core from running. They
/// are called in pairs, which may nest.
///
/// Whoever waits allocates, and so does whoever gives a permit back to one that waits under
/// [`Barging`](crate::Fairness::Barging) or [`Eventual`](crate::Fairness::Eventual). Handlers that
/// do so need an allocator that they may use.
///
/// To be called once, before there is anything to interrupt: the first call is the one that
/// counts. Says whether it was this one; with `std` none does.
///
/// # Examples
///
/// On a Cortex-M with one core (`platform-tests` runs this, in an emulator):
///
/// ```ignore
/// use cortex_m::{interrupt, register::primask};
///
/// fn mask() -> usize {
///     let were_on = primask::read().is_active();
///     interrupt::disable();
///     usize::from(were_on)
/// }
///
/// fn unmask(were_on: usize) {
///     if were_on == 1 {
///         // SAFETY: they were on before.
///         unsafe { interrupt::enable() }
///     }
/// }
///
/// dynaphore::mask_interrupts_with(mask, unmask);
/// ```
pub fn mask_interrupts_with(mask: fn() -> usize, unmask: fn(usize)) -> bool {
    #[cfg(not(feature = "std"))]
    return super::bare::mask_with(mask, unmask);
    // A lock that is taken puts the thread to sleep.
    #[cfg(feature = "std")]
    {
        let _ = (mask, unmask);
        false
    }
}
