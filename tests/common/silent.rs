//! Panics that a test provokes are not printed.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe, Location, catch_unwind},
    sync::{Mutex, Once, PoisonError},
    thread,
};

thread_local! {
    static EXPECTS: Cell<bool> = const { Cell::new(false) };
    static PLACE: Cell<Option<(String, u32)>> = const { Cell::new(None) };
}

/// What panics of other threads may say in silence.
static TEXTS: Mutex<Vec<&str>> = Mutex::new(Vec::new());

/// Runs `call`, whose panic is expected: it is not printed, but returned. Panics of
/// other threads take their usual way.
pub fn silently<T>(call: impl FnOnce() -> T) -> thread::Result<T> {
    install();
    let before = EXPECTS.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    EXPECTS.set(before);
    result
}

/// From now on, panics that begin with `text` are not printed, whatever thread they
/// are on: workers of a pool panic for others.
pub fn silence(text: &'static str) {
    install();
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    texts.push(text);
}

/// Where the last panic within [`silently`] on this thread came from: file and line.
pub fn place() -> Option<(String, u32)> {
    PLACE.take()
}

/// The hook is the process's: it is put there once.
fn install() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if EXPECTS.get() {
                PLACE.set(panic.location().map(place_of));
                return;
            }
            let said = text(panic.payload());
            let texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
            let expected = texts.iter().any(|text| said.starts_with(text));
            drop(texts);
            if !expected {
                usual(panic);
            }
        }));
    });
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let said = panic.downcast_ref::<&str>().copied();
    said.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default()
}

fn place_of(location: &Location<'_>) -> (String, u32) {
    (location.file().to_owned(), location.line())
}
