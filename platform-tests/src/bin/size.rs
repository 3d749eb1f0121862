//! How large a program becomes by a semaphore: built with it, and without it (the feature
//! `nothing`).

#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(target_os = "none")]
mod program {
    extern crate alloc;

    use alloc::boxed::Box;
    use core::{hint::black_box, panic::PanicInfo};

    use cortex_m::asm;
    use cortex_m_rt::entry;
    use embedded_alloc::LlffHeap;

    #[global_allocator]
    static HEAP: LlffHeap = LlffHeap::empty();

    const HEAP_SIZE: usize = 1024;

    #[entry]
    fn main() -> ! {
        static mut MEMORY: [u8; HEAP_SIZE] = [0; HEAP_SIZE];
        // SAFETY: once, and nobody else knows this memory.
        unsafe { HEAP.init(MEMORY.as_mut_ptr() as usize, HEAP_SIZE) };
        drop(black_box(Box::new(0_u32)));
        #[cfg(not(feature = "nothing"))]
        semaphore::use_it();
        sleep()
    }

    fn sleep() -> ! {
        loop {
            asm::wfi();
        }
    }

    #[cfg(not(feature = "nothing"))]
    mod semaphore {
        use core::{
            hint::black_box,
            pin::pin,
            task::{Context, Waker},
        };

        use dynaphore::Semaphore;

        static SEMAPHORE: Semaphore = Semaphore::new(1);

        /// Taken by trying and by waiting, given back, resized, cancelled.
        pub(super) fn use_it() {
            let held = black_box(&SEMAPHORE).try_acquire();
            let mut waiter = pin!(SEMAPHORE.acquire());
            let mut context = Context::from_waker(Waker::noop());
            let _ = black_box(waiter.as_mut().poll(&mut context));
            SEMAPHORE.set_max(black_box(2));
            drop(held);
        }
    }

    #[panic_handler]
    fn panic(_: &PanicInfo<'_>) -> ! {
        sleep()
    }
}
