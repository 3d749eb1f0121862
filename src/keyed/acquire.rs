//! The futures of a keyed semaphore.

use std::{
    borrow::Borrow,
    fmt,
    future::Future,
    hash::{BuildHasher, Hash, RandomState},
    marker::PhantomPinned,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;

use super::{
    Entered, KeyedPermit, KeyedSemaphore, OwnedKeyedPermit,
    handle::{Permits, Reach, Waiter},
};
use crate::{
    error::KeyedAcquireError,
    semaphore::{Attempt, Wait},
};

/// A request by a future.
enum Request<'k, R: Reach, Q: ?Sized> {
    /// Not polled yet.
    Asks {
        keyed: R,
        key: &'k Q,
        n: u32,
    },
    Waits(Attempt<Waiter<R>>),
    Done,
}

impl<R: Reach, Q: ?Sized> Request<'_, R, Q> {
    #[inline]
    fn poll(&mut self, waker: &Waker) -> Poll<Result<Permits<R>, KeyedAcquireError>>
    where
        R::Key: Borrow<Q>,
        R::Hasher: BuildHasher,
        Q: Hash + Eq + ToOwned<Owned = R::Key>,
    {
        if let Self::Asks { keyed, key, n } = self {
            let (entered, n) = (keyed.keyed().enter(*key, *n), *n);
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

impl<R: Reach, Q: ?Sized> fmt::Debug for Request<'_, R, Q> {
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
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct KeyedAcquire<'a, 'k, K, Q: ?Sized, S = RandomState> {
        request: Request<'k, &'a KeyedSemaphore<K, S>, Q>,
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
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct KeyedAcquireOwned<'k, K, Q: ?Sized, S = RandomState> {
        request: Request<'k, Arc<KeyedSemaphore<K, S>>, Q>,
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
