//! A Cortex-M0 or M3, with 16 KiB of memory: `qemu-system-arm` prints what it says.

use core::{
    cell::RefCell,
    panic::PanicInfo,
    pin::pin,
    task::{Context, Waker},
};

use cortex_m::{asm, interrupt, peripheral::syst::SystClkSource, register::primask};
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::{debug, hprintln};
use critical_section::Mutex;
use dynaphore::{Semaphore, SemaphorePermit, mask_interrupts_with};
use dynaphore_platform_tests::{Test, all};
use embedded_alloc::LlffHeap;
use portable_atomic::{AtomicUsize, Ordering::SeqCst};

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

const HEAP_SIZE: usize = 10 * 1024;

#[entry]
fn main() -> ! {
    static mut MEMORY: [u8; HEAP_SIZE] = [0; HEAP_SIZE];
    // SAFETY: once, and nobody else knows this memory.
    unsafe { HEAP.init(MEMORY.as_mut_ptr() as usize, HEAP_SIZE) };
    let mut passed = 0;
    for (name, test) in all().chain([&HANDLER]) {
        test();
        hprintln!("test {} ... ok", name);
        passed += 1;
    }
    hprintln!("\ntest result: ok. {} passed; 0 failed", passed);
    debug::exit(debug::EXIT_SUCCESS);
    sleep()
}

/// Only for a microcontroller.
const HANDLER: Test = (
    "microcontroller::a_handler_uses_what_it_interrupts",
    handler,
);

fn mask() -> usize {
    let were_on = primask::read().is_active();
    interrupt::disable();
    usize::from(were_on)
}

fn unmask(were_on: usize) {
    if were_on == 1 {
        // SAFETY: they were on before.
        unsafe { interrupt::enable() }
    }
}

static SHARED: Semaphore = Semaphore::new(1);

/// The permit that the handler gives back.
static HELD: Mutex<RefCell<Option<SemaphorePermit<'static>>>> = Mutex::new(RefCell::new(None));

/// Permits that the handler has given back.
static GIVEN_BACK: AtomicUsize = AtomicUsize::new(0);

/// Both sides take the lock again and again. Without a mask the handler finds it taken
/// before long, and spins for ever.
fn handler() {
    assert!(mask_interrupts_with(mask, unmask));
    assert!(!mask_interrupts_with(mask, unmask), "the first one counts");
    let mut timer = cortex_m::Peripherals::take().unwrap().SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(1_000);
    timer.enable_counter();
    timer.enable_interrupt();
    while GIVEN_BACK.load(SeqCst) < 500 {
        let permit = SHARED.try_acquire().unwrap();
        critical_section::with(|cs| HELD.borrow_ref_mut(cs).replace(permit));
        let mut waiter = pin!(SHARED.acquire());
        let mut context = Context::from_waker(Waker::noop());
        while waiter.as_mut().poll(&mut context).is_pending() {
            come_and_go();
        }
    }
    timer.disable_interrupt();
    assert_eq!((SHARED.active(), SHARED.waiting()), (0, 0));
}

/// For both sides, without a wait.
static FREE: Semaphore = Semaphore::new(2);

/// Takes what is free and gives it back; waits for more than there is, beside the line, and
/// gives up.
fn come_and_go() {
    assert!(FREE.try_acquire().is_ok());
    let waiter = pin!(SHARED.acquire_many(2));
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiter.poll(&mut context).is_pending());
}

#[exception]
fn SysTick() {
    come_and_go();
    if critical_section::with(|cs| HELD.take(cs)).is_some() {
        GIVEN_BACK.fetch_add(1, SeqCst);
    }
}

#[panic_handler]
fn panic(panic: &PanicInfo<'_>) -> ! {
    hprintln!("{}", panic);
    debug::exit(debug::EXIT_FAILURE);
    sleep()
}

fn sleep() -> ! {
    loop {
        asm::wfi();
    }
}
