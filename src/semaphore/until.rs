//! Waiting for permits as a future, with a bound on the time that any runtime can set.

use core::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{
    acquire::{Acquire, AcquireOwned, Attempt},
    core::Semaphore,
    packed::Held,
    permit::{OwnedSemaphorePermit, SemaphorePermit},
};
use crate::{error::AcquireTimeoutError, park::Wait, sync::Arc};

/// Waiting until something else happens.
impl Semaphore {
    /// Waits for a permit until `until` completes: a sleep of the caller's runtime, a
    /// shutdown signal, any future. It is polled only while there is no permit. If both
    /// are ready at the same poll, the permit wins.
    ///
    /// # Errors
    ///
    /// The future returns [`Timeout`](AcquireTimeoutError::Timeout) if `until` completes
    /// first. The place in line is given up by then. Otherwise as for
    /// [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    /// use tokio::time::sleep;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let semaphore = Semaphore::new(1);
    /// let patience = || sleep(Duration::from_millis(5));
    /// let permit = semaphore.acquire_until(patience()).await.unwrap();
    /// let late = semaphore.acquire_until(patience()).await;
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// # drop(permit);
    /// # }
    /// ```
    pub fn acquire_until<F: Future>(&self, until: F) -> AcquireUntil<'_, F> {
        self.acquire().until(until)
    }

    /// [`acquire_until`](Self::acquire_until) for `n` permits at once.
    ///
    /// # Errors
    ///
    /// As for [`acquire_until`](Self::acquire_until).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), before the future is
    /// made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::ready;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Semaphore::new(3);
    /// let two = semaphore.acquire_many_until(2, ready(())).await?;
    /// let late = semaphore.acquire_many_until(2, ready(())).await;
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// # drop(two);
    /// # Ok::<(), AcquireTimeoutError>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn acquire_many_until<F: Future>(&self, n: u32, until: F) -> AcquireUntil<'_, F> {
        self.acquire_many(n).until(until)
    }

    /// [`acquire_until`](Self::acquire_until), with a future and a permit that keep the
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire_until`](Self::acquire_until).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::pending, sync::Arc};
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned_until(pending::<()>()).await?;
    /// std::thread::spawn(move || drop(permit)).join().unwrap();
    /// # Ok::<(), AcquireTimeoutError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    pub fn acquire_owned_until<F: Future>(self: Arc<Self>, until: F) -> AcquireOwnedUntil<F> {
        self.acquire_owned().until(until)
    }

    /// [`acquire_many_until`](Self::acquire_many_until), with a future and permits that
    /// keep the semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire_until`](Self::acquire_until).
    ///
    /// # Panics
    ///
    /// When `n` is larger than [`MAX_PERMITS`](Self::MAX_PERMITS), before the future is
    /// made.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Fairness
    ///
    /// As for [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::pending, sync::Arc};
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// let two = semaphore.clone().acquire_many_owned_until(2, pending::<()>()).await?;
    /// assert_eq!(two.num_permits(), 2);
    /// # Ok::<(), AcquireTimeoutError>(())
    /// # }).unwrap();
    /// ```
    #[cfg(target_has_atomic = "ptr")]
    #[track_caller]
    pub fn acquire_many_owned_until<F: Future>(
        self: Arc<Self>,
        n: u32,
        until: F,
    ) -> AcquireOwnedUntil<F> {
        self.acquire_many_owned(n).until(until)
    }
}

/// The same with any future of a request.
impl<'a> Acquire<'a> {
    /// Waits until `end` is ready at the longest: the sleep of any runtime, or a signal.
    ///
    /// A time-out of the runtime's own bounds the time as well, and drops the future. To
    /// the statistics that one was cancelled, and this one has timed out. Permits that are
    /// there when `end` is ready are taken.
    ///
    /// # Errors
    ///
    /// [`Timeout`](AcquireTimeoutError::Timeout) if `end` was ready first, which then leaves
    /// no trace. Otherwise as for [`acquire`](Semaphore::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for `acquire`.
    ///
    /// # Panics
    ///
    /// When `end` does, which leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{AcquireTimeoutError, Semaphore};
    /// use tokio::time::sleep;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    /// # runtime.unwrap().block_on(async {
    /// let semaphore = Semaphore::new(0);
    /// let late = semaphore.acquire().until(sleep(Duration::from_millis(1))).await;
    /// assert_eq!(late.unwrap_err(), AcquireTimeoutError::Timeout);
    /// # });
    /// ```
    pub fn until<F: Future>(self, end: F) -> AcquireUntil<'a, F> {
        AcquireUntil::new(self.attempt, end)
    }
}

impl AcquireOwned {
    /// As [`Acquire::until`].
    ///
    /// # Errors
    ///
    /// As for `Acquire::until`.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Panics
    ///
    /// As for `Acquire::until`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::ready, sync::Arc};
    /// use dynaphore::Semaphore;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// assert!(semaphore.acquire_owned().until(ready(())).await.is_ok(), "it is there");
    /// # });
    /// ```
    pub fn until<F: Future>(self, end: F) -> AcquireOwnedUntil<F> {
        AcquireOwnedUntil::new(self.attempt, end)
    }
}

/// One poll of both.
fn poll<S: Deref<Target = Semaphore>, F: Future>(
    attempt: &mut Attempt<S>,
    until: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Result<(S, Held), AcquireTimeoutError>> {
    if let Poll::Ready(answer) = attempt.poll(cx.waker()) {
        return Poll::Ready(Ok(answer?));
    }
    ready!(until.poll(cx));
    match attempt.give_up() {
        None => Poll::Ready(Err(AcquireTimeoutError::Timeout)),
        Some(answer) => Poll::Ready(Ok(answer?)),
    }
}

macro_rules! until {
    (
        $(#[$docs:meta])* $name:ident<$($lifetime:lifetime)?>, $handle:ty, $permit:ident, $out:ty
    ) => {
        pin_project! {
            $(#[$docs])*
            #[must_use = "futures do nothing unless you `.await` or poll them"]
            pub struct $name<$($lifetime,)? F> {
                attempt: Attempt<$handle>,
                #[pin]
                until: F,
            }
        }

        impl<$($lifetime,)? F> $name<$($lifetime,)? F> {
            fn new(attempt: Attempt<$handle>, until: F) -> Self {
                Self { attempt, until }
            }
        }

        impl<$($lifetime,)? F: Future> Future for $name<$($lifetime,)? F> {
            type Output = Result<$out, AcquireTimeoutError>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = self.project();
                poll(this.attempt, this.until, cx).map_ok($permit::new)
            }
        }

        impl<$($lifetime,)? F> fmt::Debug for $name<$($lifetime,)? F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("attempt", &self.attempt)
                    .finish_non_exhaustive()
            }
        }
    };
}

until! {
    /// The future of [`Semaphore::acquire_until`], [`Semaphore::acquire_many_until`] and
    /// [`Acquire::until`].
    ///
    /// It takes its place in line when it is polled for the first time, and gives it up
    /// in the poll in which `F` completes, or when it is dropped.
    ///
    /// # Panics
    ///
    /// When it is polled after it has returned `Ready`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::{Pending, pending};
    /// use dynaphore::{Semaphore, future::AcquireUntil};
    ///
    /// let semaphore = Semaphore::new(1);
    /// let acquire: AcquireUntil<'_, Pending<()>> = semaphore.acquire_until(pending());
    /// assert!(futures::executor::block_on(acquire).is_ok());
    /// ```
    AcquireUntil<'a>, &'a Semaphore, SemaphorePermit, SemaphorePermit<'a>
}

until! {
    /// The future of [`Semaphore::acquire_owned_until`],
    /// [`Semaphore::acquire_many_owned_until`] and [`AcquireOwned::until`].
    ///
    /// Like [`AcquireUntil`], but it keeps the semaphore alive by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::{Pending, pending}, sync::Arc};
    /// use dynaphore::{Semaphore, future::AcquireOwnedUntil};
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let acquire: AcquireOwnedUntil<Pending<()>> = semaphore.acquire_owned_until(pending());
    /// assert!(futures::executor::block_on(acquire).is_ok());
    /// ```
    AcquireOwnedUntil<>, Arc<Semaphore>, OwnedSemaphorePermit, OwnedSemaphorePermit
}
