//! Where a panic says that it comes from.

use crate::common::{message, place, silently};

/// A panic as the hook has seen it.
pub struct Caught {
    pub file: String,
    pub line: u32,
    pub message: String,
}

/// The panic of `call`, if there is one.
pub fn caught(call: impl FnOnce()) -> Option<Caught> {
    let message = message(&*silently(call).err()?);
    let (file, line) = place()?;
    Some(Caught {
        file,
        line,
        message,
    })
}
