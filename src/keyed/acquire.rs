//! The futures of a keyed semaphore.

use std::{
    borrow::Borrow,
    fmt,
    future::Future,
    hash::{BuildHasher, Hash, RandomState},
    marker::PhantomPinned,
    mem,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;

use super::{
    Entered, KeyedPermit, KeyedSemaphore, OwnedKeyedPermit,
    handle::{Permits, Reach, Waiter},
};
use crate::{error::KeyedAcquireError, park::Wait, semaphore::Attempt};

/// A request by a future, which has its key by a pointer of the kind `P`.
enum Request<R: Reach, P> {
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
    fn poll<Q>(&mut self, waker: &Waker) -> Poll<Result<Permits<R>, KeyedAcquireError>>
    where
        P: Deref<Target = Q>,
        R::Key: Borrow<Q>,
        R::Hasher: BuildHasher,
        Q: Hash + Eq + ToOwned<Owned = R::Key> + ?Sized,
    {
        if let Self::Asks { keyed, key, n } = self {
            let (entered, n) = (keyed.keyed().enter(&**key, *n), *n);
            let Self::Asks { keyed, .. } = mem::replace(self, Self::Done) else {
                unreachable!("looked at just now");
            };
            match entered? {
                Entered::Holds(entry) => return Poll::Ready(Ok(Permits::taken(keyed, entry, n))),
                Entered::Waits(entry) => {
                    *self = Self::Waits(Attempt::new(Waiter::new(keyed, entry), n));
                }
            }
        }
        let Self::Waits(attempt) = self else {
            panic!("polled after completion");
        };
        let answer = match attempt.poll(waker) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(answer) => answer,
        };
        *self = Self::Done;
        Poll::Ready(Ok(Permits::waited_for(answer?)))
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
    /// use dynaphore::{KeyedAcquire, KeyedSemaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let hosts = KeyedSemaphore::<String>::new(1);
    /// let acquire: KeyedAcquire<'_, '_, String, str> = hosts.acquire("a.example");
    /// assert!(hosts.is_empty(), "not polled yet");
    /// let permit = acquire.await?;
    /// assert_eq!(hosts.len(), 1);
    /// # Ok::<(), dynaphore::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct KeyedAcquire<'a, 'k, K, Q: ?Sized, S = RandomState> {
        request: Request<&'a KeyedSemaphore<K, S>, &'k Q>,
        // As tokio's: `Unpin` would be a promise about the inside.
        #[pin]
        pinned: PhantomPinned,
    }
}

impl<'a, 'k, K, Q: ?Sized, S> KeyedAcquire<'a, 'k, K, Q, S> {
    #[inline]
    pub(super) fn new(keyed: &'a KeyedSemaphore<K, S>, key: &'k Q, n: u32) -> Self {
        Self {
            request: Request::Asks { keyed, key, n },
            pinned: PhantomPinned,
        }
    }
}

impl<'a, K, Q, S> Future for KeyedAcquire<'a, '_, K, Q, S>
where
    K: Borrow<Q>,
    Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    S: BuildHasher,
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
    /// It borrows the key all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::{KeyedAcquireOwned, KeyedSemaphore};
    ///
    /// # futures::executor::block_on(async {
    /// let hosts = Arc::new(KeyedSemaphore::<String>::new(1));
    /// let acquire: KeyedAcquireOwned<'_, String, str> = hosts.acquire_owned("a.example");
    /// assert_eq!(acquire.await?.key(), "a.example");
    /// # Ok::<(), dynaphore::KeyedAcquireError>(())
    /// # }).unwrap();
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct KeyedAcquireOwned<'k, K, Q: ?Sized, S = RandomState> {
        request: Request<Arc<KeyedSemaphore<K, S>>, &'k Q>,
        #[pin]
        pinned: PhantomPinned,
    }
}

impl<'k, K, Q: ?Sized, S> KeyedAcquireOwned<'k, K, Q, S> {
    #[inline]
    pub(super) fn new(keyed: Arc<KeyedSemaphore<K, S>>, key: &'k Q, n: u32) -> Self {
        Self {
            request: Request::Asks { keyed, key, n },
            pinned: PhantomPinned,
        }
    }
}

impl<K, Q, S> Future for KeyedAcquireOwned<'_, K, Q, S>
where
    K: Borrow<Q>,
    Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    S: BuildHasher,
{
    type Output = Result<OwnedKeyedPermit<K, S>, KeyedAcquireError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.project().request.poll(cx.waker());
        polled.map_ok(OwnedKeyedPermit::new)
    }
}

impl<K, Q: ?Sized, S> fmt::Debug for KeyedAcquireOwned<'_, K, Q, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyedAcquireOwned")
            .field(&self.request)
            .finish()
    }
}

/// As [`KeyedAcquireOwned`], but it owns its key as well.
#[cfg(all(feature = "rayon", not(loom)))]
pub struct KeyRequest<K, S>(Request<Arc<KeyedSemaphore<K, S>>, Arc<K>>);

#[cfg(all(feature = "rayon", not(loom)))]
impl<K, S> KeyRequest<K, S> {
    pub(crate) fn new(keyed: Arc<KeyedSemaphore<K, S>>, key: Arc<K>, n: u32) -> Self {
        let n = crate::semaphore::checked(n as usize);
        Self(Request::Asks { keyed, key, n })
    }
}

/// Nothing in it is pinned.
#[cfg(all(feature = "rayon", not(loom)))]
impl<K, S> Unpin for KeyRequest<K, S> {}

#[cfg(all(feature = "rayon", not(loom)))]
impl<K: Hash + Eq + Clone, S: BuildHasher> Future for KeyRequest<K, S> {
    type Output = Result<OwnedKeyedPermit<K, S>, KeyedAcquireError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.get_mut().0.poll(cx.waker());
        polled.map_ok(OwnedKeyedPermit::new)
    }
}
