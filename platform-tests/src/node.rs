//! What `node.js` calls.

use std::panic;

use dynaphore_platform_tests::all;

#[link(wasm_import_module = "node")]
unsafe extern "C" {
    fn print(text: *const u8, len: usize);
}

fn say(text: &str) {
    // SAFETY: it reads so many bytes, and keeps none.
    unsafe { print(text.as_ptr(), text.len()) }
}

/// How many tests there are.
#[unsafe(no_mangle)]
extern "C" fn tests() -> usize {
    all().count()
}

/// Runs one of them.
#[unsafe(no_mangle)]
extern "C" fn run(test: usize) {
    panic::set_hook(Box::new(|panic| say(&panic.to_string())));
    if let Some((name, test)) = all().nth(test) {
        test();
        say(&format!("test {name} ... ok"));
    }
}
