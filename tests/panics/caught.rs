//! Where a panic says that it comes from.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use crate::common::message;

/// A panic as the hook has seen it.
pub struct Caught {
    pub file: String,
    pub line: u32,
    pub message: String,
}

thread_local! {
    /// Set while this thread expects a panic.
    static EXPECTS: Cell<bool> = const { Cell::new(false) };
    static PLACE: Cell<Option<(String, u32)>> = const { Cell::new(None) };
}

/// The panic of `call`, if there is one. The other tests' panics take their
/// usual way: the hook is the process's, what it records is the thread's.
pub fn caught(call: impl FnOnce()) -> Option<Caught> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| match panic.location() {
            Some(place) if EXPECTS.get() => {
                PLACE.set(Some((place.file().to_owned(), place.line())));
            }
            _ => usual(panic),
        }));
    });
    EXPECTS.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    EXPECTS.set(false);
    let message = message(&*result.err()?);
    let (file, line) = PLACE.take()?;
    Some(Caught {
        file,
        line,
        message,
    })
}
