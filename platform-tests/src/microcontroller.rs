//! A Cortex-M0, with 16 KiB of memory: `qemu-system-arm` prints what it says.

use core::panic::PanicInfo;

// Its critical sections.
use cortex_m as _;
use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use dynaphore_platform_tests::all;
use embedded_alloc::LlffHeap;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

const HEAP_SIZE: usize = 10 * 1024;

#[entry]
fn main() -> ! {
    static mut MEMORY: [u8; HEAP_SIZE] = [0; HEAP_SIZE];
    // SAFETY: once, and nobody else knows this memory.
    unsafe { HEAP.init(MEMORY.as_mut_ptr() as usize, HEAP_SIZE) };
    let mut passed = 0;
    for (name, test) in all() {
        test();
        hprintln!("test {} ... ok", name);
        passed += 1;
    }
    hprintln!("\ntest result: ok. {} passed; 0 failed", passed);
    debug::exit(debug::EXIT_SUCCESS);
    loop {}
}

#[panic_handler]
fn panic(panic: &PanicInfo<'_>) -> ! {
    hprintln!("{}", panic);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
