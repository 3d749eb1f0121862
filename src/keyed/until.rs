//! Waiting for permits of a key as a future, with a bound on the time that any runtime can set.

use std::{
    fmt,
    future::Future,
    hash::BuildHasher,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{
    acquire::{KeyedAcquire, KeyedAcquireOwned, Request},
    key::ToKey,
    permit::{KeyedPermit, OwnedKeyedPermit, Permits, Reach},
};
use crate::error::{KeyedAcquireError, KeyedAcquireTimeoutError};

impl<K, Q: ?Sized, S> KeyedAcquire<'_, '_, K, Q, S> {
    /// Waits until `end` is ready at the longest: the sleep of any runtime, or a signal. It is
    /// polled only while there is no permit. If both are ready at the same poll, the permit
    /// wins.
    ///
    /// # Errors
    ///
    /// [`Timeout`](KeyedAcquireTimeoutError::Timeout) if `end` was ready first. The place in
    /// line is given up by then, and the key is out of use if nobody else uses it. Otherwise
    /// as for [`acquire`](crate::KeyedSemaphore::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for `acquire`.
    ///
    /// # Panics
    ///
    /// The future does when `end` does, which leaves no trace.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use dynaphore::{KeyedSemaphore, error::KeyedAcquireTimeoutError};
    /// use tokio::time::sleep;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let users = KeyedSemaphore::<u64>::new(0);
    /// let late = users.acquire(&17).until(sleep(Duration::from_millis(1))).await;
    /// assert_eq!(late.unwrap_err(), KeyedAcquireTimeoutError::Timeout);
    /// assert!(users.is_empty());
    /// # }
    /// ```
    pub fn until<F: Future>(self, end: F) -> KeyedAcquireUntil<Self, F> {
        KeyedAcquireUntil { acquire: self, end }
    }
}

impl<K, P, S> KeyedAcquireOwned<K, P, S> {
    /// As [`KeyedAcquire::until`].
    ///
    /// # Errors
    ///
    /// As for `KeyedAcquire::until`.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](crate::KeyedSemaphore::acquire).
    ///
    /// # Panics
    ///
    /// As for `KeyedAcquire::until`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::ready, sync::Arc};
    /// use dynaphore::KeyedSemaphore;
    ///
    /// # futures::executor::block_on(async {
    /// let users = Arc::new(KeyedSemaphore::<u64>::new(1));
    /// assert!(users.acquire_owned(&17).until(ready(())).await.is_ok(), "it is there");
    /// # });
    /// ```
    pub fn until<F: Future>(self, end: F) -> KeyedAcquireUntil<Self, F> {
        KeyedAcquireUntil { acquire: self, end }
    }
}

impl<R: Reach, P> Request<R, P> {
    /// One poll of both.
    fn poll_until<Q: ToKey<R::Key> + ?Sized>(
        &mut self,
        end: Pin<&mut impl Future>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Permits<R>, KeyedAcquireTimeoutError>>
    where
        P: Deref<Target = Q>,
        R::Hasher: BuildHasher,
    {
        if let Poll::Ready(answer) = self.poll(cx.waker()) {
            return Poll::Ready(Ok(answer?));
        }
        ready!(end.poll(cx));
        let Self::Waits(attempt) = self else {
            unreachable!("it is pending");
        };
        let answer = attempt.give_up();
        *self = Self::Done;
        let answer = answer.ok_or(KeyedAcquireTimeoutError::Timeout)?;
        let waited = answer.map_err(KeyedAcquireError::from)?;
        Poll::Ready(Ok(Permits::waited_for(waited)))
    }
}

pin_project! {
    /// The future of [`KeyedAcquire::until`] and [`KeyedAcquireOwned::until`], whichever of
    /// them `A` is.
    ///
    /// It takes its place in line when it is polled for the first time, and gives it up in
    /// the poll in which `F` completes, or when it is dropped.
    ///
    /// # Panics
    ///
    /// When it is polled after it has returned `Ready`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::{Pending, pending};
    /// use dynaphore::{KeyedSemaphore, future::{KeyedAcquire, KeyedAcquireUntil}};
    ///
    /// let hosts = KeyedSemaphore::<String>::new(1);
    /// let acquire: KeyedAcquireUntil<KeyedAcquire<'_, '_, String, str>, Pending<()>> =
    ///     hosts.acquire("a.example").until(pending());
    /// assert!(futures::executor::block_on(acquire).is_ok());
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct KeyedAcquireUntil<A, F> {
        #[pin]
        acquire: A,
        #[pin]
        end: F,
    }
}

impl<'a, K, Q, S, F> Future for KeyedAcquireUntil<KeyedAcquire<'a, '_, K, Q, S>, F>
where
    S: BuildHasher,
    Q: ToKey<K> + ?Sized,
    F: Future,
{
    type Output = Result<KeyedPermit<'a, K, S>, KeyedAcquireTimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let request = this.acquire.project().request;
        request.poll_until(this.end, cx).map_ok(KeyedPermit::new)
    }
}

impl<K, P, S, F> Future for KeyedAcquireUntil<KeyedAcquireOwned<K, P, S>, F>
where
    P: Deref<Target: ToKey<K>>,
    S: BuildHasher,
    F: Future,
{
    type Output = Result<OwnedKeyedPermit<K, S>, KeyedAcquireTimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let request = this.acquire.project().request;
        request
            .poll_until(this.end, cx)
            .map_ok(OwnedKeyedPermit::new)
    }
}

impl<A: fmt::Debug, F> fmt::Debug for KeyedAcquireUntil<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedAcquireUntil")
            .field("acquire", &self.acquire)
            .finish_non_exhaustive()
    }
}
