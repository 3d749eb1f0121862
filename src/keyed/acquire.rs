//! Taking permits of a key without blocking: the calls that try, those that return a
//! future, with a bound on the time that any runtime can set, and the futures.

use std::{
    fmt,
    future::Future,
    hash::{BuildHasher, RandomState},
    mem,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use pin_project_lite::pin_project;

#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
use super::entry::Entry;
use super::{
    key::ToKey,
    permit::{KeyedPermit, OwnedKeyedPermit, Permits, Reach, Waiter},
    semaphore::KeyedSemaphore,
    shards::{Answer, Entered, Want},
};
use crate::{
    error::{KeyedAcquireError, KeyedAcquireTimeoutError, KeyedTryAcquireError},
    park::Wait,
    semaphore::{Attempt, checked},
};

/// Takes `n` permits of `key` if they are there.
#[inline]
pub(super) fn try_take<R: Reach<Hasher: BuildHasher>, Q: ToKey<R::Key> + ?Sized>(
    keyed: R,
    key: &Q,
    n: u32,
) -> Result<Permits<R>, KeyedTryAcquireError> {
    match keyed.enter(key, n, 0) {
        Ok(Entered::Holds(entry)) => Ok(Permits::taken(keyed, entry, n)),
        Err(KeyedAcquireError::Closed) => Err(KeyedTryAcquireError::Closed),
        Err(KeyedAcquireError::TooManyKeys) => Err(KeyedTryAcquireError::TooManyKeys),
        Err(_) => Err(KeyedTryAcquireError::NoPermits),
        Ok(Entered::Waits(_)) => unreachable!("there is no place to wait"),
    }
}

impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    #[inline]
    fn enter<Q: ToKey<K> + ?Sized>(&self, key: &Q, n: u32, max_waiters: u32) -> Answer<K> {
        self.shards.enter(&Want {
            hash: self.hash(key),
            key,
            n,
            max_waiters,
        })
    }

    /// Takes `n` permits of `key`, or a place to wait for them.
    #[inline]
    pub(super) fn enter_or_wait<Q: ToKey<K> + ?Sized>(&self, key: &Q, n: u32) -> Answer<K> {
        self.enter(key, n, self.shards.settings.max_waiters)
    }
}

/// Waiting for permits.
impl<K, S> KeyedSemaphore<K, S> {
    /// Waits for a permit of `key`. The key is looked up when the future is polled
    /// for the first time.
    ///
    /// # Errors
    ///
    /// [`Closed`](KeyedAcquireError::Closed) if it is closed, or is closed while it waits;
    /// [`TooManyKeys`](KeyedAcquireError::TooManyKeys) if the key is not in use and may not
    /// be; [`TooManyWaiters`](KeyedAcquireError::TooManyWaiters) if it would have to wait
    /// and may not.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no trace: its place in line goes to whoever is next,
    /// and so does a permit that it has been granted.
    ///
    /// # Fairness
    ///
    /// First in, first out among those who want this key; see
    /// [`KeyedSemaphore`](Self#fairness).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.acquire(&17).await?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub fn acquire<'k, Q: ToKey<K> + ?Sized>(&self, key: &'k Q) -> KeyedAcquire<'_, 'k, K, Q, S> {
        KeyedAcquire::new(self, key, 1)
    }

    /// [`acquire`](Self::acquire), with a future and a permit that keep the keyed semaphore
    /// alive.
    ///
    /// The key comes by any pointer: a reference, or one that owns it, such as a `String`,
    /// an `Arc<str>` or a `Box<u64>`, which the future keeps. Then it is `'static`.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
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
    /// # futures::executor::block_on(async {
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().acquire_owned(&17).await?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    pub fn acquire_owned<P: Deref<Target: ToKey<K>>>(
        self: Arc<Self>,
        key: P,
    ) -> KeyedAcquireOwned<K, P, S> {
        KeyedAcquireOwned::new(self, key, 1)
    }

    /// Waits for `n` permits of `key`, and takes them all at once. A request for more
    /// than the max of the key waits beside the line until max allows it, as for
    /// [`Semaphore::acquire_many`](crate::Semaphore::acquire_many).
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.acquire_many(&17, 2).await?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many<'k, Q: ToKey<K> + ?Sized>(
        &self,
        key: &'k Q,
        n: u32,
    ) -> KeyedAcquire<'_, 'k, K, Q, S> {
        KeyedAcquire::new(self, key, checked(n as usize))
    }

    /// [`acquire_many`](Self::acquire_many), with permits that keep the keyed semaphore
    /// alive.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Fairness
    ///
    /// As for [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().acquire_many_owned(&17, 2).await?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_many_owned<P: Deref<Target: ToKey<K>>>(
        self: Arc<Self>,
        key: P,
        n: u32,
    ) -> KeyedAcquireOwned<K, P, S> {
        KeyedAcquireOwned::new(self, key, checked(n as usize))
    }
}

/// Taking permits that are there.
impl<K, S: BuildHasher> KeyedSemaphore<K, S> {
    /// Takes a permit of `key` if there is one and nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](KeyedTryAcquireError::NoPermits) if there is none, or it belongs to
    /// somebody who waits; [`TooManyKeys`](KeyedTryAcquireError::TooManyKeys) if the key is
    /// not in use and may not be;
    /// [`Closed`](KeyedTryAcquireError::Closed) after [`close`](Self::close). Nothing has
    /// changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.try_acquire(&17)?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedTryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire<Q: ToKey<K> + ?Sized>(
        &self,
        key: &Q,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedTryAcquireError> {
        try_take(self, key, 1).map(KeyedPermit::new)
    }

    /// [`try_acquire`](Self::try_acquire), with a permit that keeps the keyed
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().try_acquire_owned(&17)?;
    /// assert_eq!(users.snapshot(&17).active, 1);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedTryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire_owned<Q: ToKey<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedTryAcquireError> {
        try_take(self, key, 1).map(OwnedKeyedPermit::new)
    }

    /// Takes `n` permits of `key`, all or none. Zero are had unless it is closed or the key
    /// may not be in use, as it is by them too.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let users = dynaphore::KeyedSemaphore::<u64>::new(3);
    /// let held = users.try_acquire_many(&17, 2)?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedTryAcquireError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many<Q: ToKey<K> + ?Sized>(
        &self,
        key: &Q,
        n: u32,
    ) -> Result<KeyedPermit<'_, K, S>, KeyedTryAcquireError> {
        try_take(self, key, checked(n as usize)).map(KeyedPermit::new)
    }

    /// [`try_acquire_many`](Self::try_acquire_many), with permits that keep the keyed
    /// semaphore alive.
    ///
    /// # Errors
    ///
    /// As for [`try_acquire`](Self::try_acquire).
    ///
    /// # Panics
    ///
    /// When `n` is larger than
    /// [`Semaphore::MAX_PERMITS`](crate::Semaphore::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// let users = Arc::new(dynaphore::KeyedSemaphore::<u64>::new(3));
    /// let held = users.clone().try_acquire_many_owned(&17, 2)?;
    /// assert_eq!(users.snapshot(&17).active, 2);
    /// # drop(held);
    /// # Ok::<(), dynaphore::error::KeyedTryAcquireError>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn try_acquire_many_owned<Q: ToKey<K> + ?Sized>(
        self: Arc<Self>,
        key: &Q,
        n: u32,
    ) -> Result<OwnedKeyedPermit<K, S>, KeyedTryAcquireError> {
        try_take(self, key, checked(n as usize)).map(OwnedKeyedPermit::new)
    }
}

/// A request by a future, which has its key by a pointer of the kind `P`.
pub(super) enum Request<R: Reach, P> {
    /// Not polled yet.
    Asks {
        keyed: R,
        key: P,
        n: u32,
    },
    Waits(Attempt<Waiter<R>>),
    Done,
}

impl<R: Reach, P> Request<R, P> {
    #[inline]
    fn poll<Q: ToKey<R::Key> + ?Sized>(
        &mut self,
        waker: &Waker,
    ) -> Poll<Result<Permits<R>, KeyedAcquireError>>
    where
        P: Deref<Target = Q>,
        R::Hasher: BuildHasher,
    {
        if let Self::Asks { keyed, key, n } = self {
            let (entered, n) = (keyed.enter_or_wait(&**key, *n), *n);
            let Self::Asks { keyed, key, .. } = mem::replace(self, Self::Done) else {
                unreachable!("looked at just now");
            };
            // To drop the key may be foreign code: what was entered comes first.
            match entered? {
                Entered::Holds(entry) => {
                    let permits = Permits::taken(keyed, entry, n);
                    drop(key);
                    return Poll::Ready(Ok(permits));
                }
                Entered::Waits(entry) => {
                    *self = Self::Waits(Attempt::new(Waiter::new(keyed, entry), n));
                    drop(key);
                }
            }
        }
        let Self::Waits(attempt) = self else {
            panic!("polled after completion");
        };
        let answer = ready!(attempt.poll(waker));
        *self = Self::Done;
        Poll::Ready(Ok(Permits::waited_for(answer?)))
    }
}

/// For a place in line that does not keep the keyed semaphore alive while nobody polls it.
#[cfg(all(feature = "rayon", not(dynaphore_loom)))]
impl<R: Reach, P> Request<R, P> {
    /// Takes out what is kept alive. It is counted as a waiter as before.
    pub(super) fn lets_go(&mut self) -> Option<(R, triomphe::Arc<Entry<R::Key>>)> {
        match self {
            Self::Waits(attempt) => attempt.lets_go()?.into_parts(),
            Self::Asks { .. } | Self::Done => None,
        }
    }

    /// Puts it back.
    pub(super) fn holds(&mut self, keyed: R, entry: triomphe::Arc<Entry<R::Key>>) {
        if let Self::Waits(attempt) = self {
            attempt.holds(Waiter::new(keyed, entry));
        }
    }
}

impl<R: Reach, P> fmt::Debug for Request<R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asks { n, .. } => f.debug_struct("Asks").field("need", n).finish(),
            Self::Waits(attempt) => attempt.fmt(f),
            Self::Done => f.write_str("Done"),
        }
    }
}

pin_project! {
    /// The future of [`KeyedSemaphore::acquire`] and
    /// [`KeyedSemaphore::acquire_many`].
    ///
    /// It looks its key up, and takes its place in line, when it is polled for
    /// the first time; until then the key is not in use by it. It borrows the key,
    /// which the permit does not.
    ///
    /// # Cancel safety
    ///
    /// Dropping it gives up its place, or gives back what it has been granted.
    /// A granted future holds its permits until it is polled or dropped: one
    /// that is kept and never polled again keeps them from everybody else.
    ///
    /// # Panics
    ///
    /// When it is polled after it has returned `Ready`.
    ///
    /// # Examples
    ///
    /// ```
    /// use dynaphore::{KeyedSemaphore, future::KeyedAcquire};
    ///
    /// # futures::executor::block_on(async {
    /// let hosts = KeyedSemaphore::<String>::new(1);
    /// let acquire: KeyedAcquire<'_, '_, String, str> = hosts.acquire("a.example");
    /// assert!(hosts.is_empty(), "not polled yet");
    /// let permit = acquire.await?;
    /// assert_eq!(hosts.len(), 1);
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    // As tokio's: `Unpin` would be a promise about the inside.
    #[project(!Unpin)]
    pub struct KeyedAcquire<'a, 'k, K, Q: ?Sized, S = RandomState> {
        pub(super) request: Request<&'a KeyedSemaphore<K, S>, &'k Q>,
    }
}

impl<'a, 'k, K, Q: ?Sized, S> KeyedAcquire<'a, 'k, K, Q, S> {
    #[inline]
    pub(super) fn new(keyed: &'a KeyedSemaphore<K, S>, key: &'k Q, n: u32) -> Self {
        Self {
            request: Request::Asks { keyed, key, n },
        }
    }
}

impl<'a, K, Q, S> Future for KeyedAcquire<'a, '_, K, Q, S>
where
    S: BuildHasher,
    Q: ToKey<K> + ?Sized,
{
    type Output = Result<KeyedPermit<'a, K, S>, KeyedAcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().request.poll(cx.waker());
        polled.map_ok(KeyedPermit::new)
    }
}

impl<K, Q: ?Sized, S> fmt::Debug for KeyedAcquire<'_, '_, K, Q, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyedAcquire").field(&self.request).finish()
    }
}

pin_project! {
    /// The future of [`KeyedSemaphore::acquire_owned`] and
    /// [`KeyedSemaphore::acquire_many_owned`].
    ///
    /// Like [`KeyedAcquire`], but it keeps the keyed semaphore alive by itself.
    /// It has its key by a `P`: a reference, or a pointer that owns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{KeyedSemaphore, future::KeyedAcquireOwned};
    ///
    /// # futures::executor::block_on(async {
    /// let hosts = Arc::new(KeyedSemaphore::<String>::new(1));
    /// let acquire: KeyedAcquireOwned<String, &str> = hosts.acquire_owned("a.example");
    /// assert_eq!(acquire.await?.key(), "a.example");
    /// # Ok::<(), dynaphore::error::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    #[project(!Unpin)]
    pub struct KeyedAcquireOwned<K, P, S = RandomState> {
        pub(super) request: Request<Arc<KeyedSemaphore<K, S>>, P>,
    }
}

impl<K, P, S> KeyedAcquireOwned<K, P, S> {
    #[inline]
    pub(super) fn new(keyed: Arc<KeyedSemaphore<K, S>>, key: P, n: u32) -> Self {
        Self {
            request: Request::Asks { keyed, key, n },
        }
    }
}

impl<K, P, S> Future for KeyedAcquireOwned<K, P, S>
where
    P: Deref<Target: ToKey<K>>,
    S: BuildHasher,
{
    type Output = Result<OwnedKeyedPermit<K, S>, KeyedAcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().request.poll(cx.waker());
        polled.map_ok(OwnedKeyedPermit::new)
    }
}

impl<K, P, S> fmt::Debug for KeyedAcquireOwned<K, P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyedAcquireOwned")
            .field(&self.request)
            .finish()
    }
}

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
