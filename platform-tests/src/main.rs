//! Runs all tests, one after the other, on whatever this is built for.

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod microcontroller;
#[cfg(target_family = "wasm")]
mod node;

#[cfg(not(target_os = "none"))]
fn main() {
    // node calls the tests itself.
    #[cfg(not(target_family = "wasm"))]
    {
        let mut passed = 0;
        for (name, test) in dynaphore_platform_tests::all() {
            test();
            println!("test {name} ... ok");
            passed += 1;
        }
        println!("\ntest result: ok. {passed} passed; 0 failed");
    }
}
