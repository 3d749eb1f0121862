//! Lending permits to what their holder waits for.
//!
//! A permit is for work, and who waits for others does not work. If each of those others
//! needs a permit of the same semaphore, and all are held by who waits for them, nothing
//! goes on any more: a tree of tasks that is deeper than max hangs. So the holder lends.
//!
//! This is a client of the semaphore's calls, and no part of its protocol. What is lent
//! becomes a semaphore of its own, the *room*, with as many permits. A borrower takes one from
//! there if it can, and else waits in both lines, the room's and the semaphore's, and takes
//! what comes first. A permit from the room keeps the loan, and with it the permits that were
//! lent, until it is back; and it can be lent again.
//!
//! - *Never more than max at work*, if who has lent does not work: of all that stand on one
//!   permit of the semaphore, one has it, and those above it have lent.
//! - *A tree finishes*, whatever its depth and max. Whoever waits for a permit from the room
//!   waits for siblings. These are at work, or have lent to their own children, who are fewer.
//! - *The lender has its permits back* when it has all of the room's, which it waits for in
//!   line behind all who asked before.

use core::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use super::{acquire::AcquireOwned, core::Semaphore, permit::OwnedSemaphorePermit};
use crate::{
    error::AcquireError,
    sync::{Arc, PoisonError, UnmodelledMutex as Mutex},
};

/// Permits that are lent to what their holder waits for; see
/// [`OwnedSemaphorePermit::lend`].
///
/// Cloning it makes one more handle of the same loan, for another task. When all handles
/// are dropped, and what was borrowed is back, the permits go back to the semaphore.
///
/// # Examples
///
/// A tree of tasks under a limit of one:
///
/// ```
/// use std::{pin::Pin, sync::Arc};
/// use dynaphore::{AcquireError, Lent, Semaphore};
///
/// fn visit(above: Lent, depth: u32) -> Pin<Box<dyn Future<Output = Result<u32, AcquireError>>>> {
///     Box::pin(async move {
///         let permit = above.acquire().await?;
///         // At work: nobody else is.
///         if depth == 0 {
///             return Ok(1);
///         }
///         let lent = permit.lend();
///         let left = visit(lent.clone(), depth - 1).await?;
///         let right = visit(lent, depth - 1).await?;
///         Ok(left + right)
///     })
/// }
///
/// # futures::executor::block_on(async {
/// let semaphore = Arc::new(Semaphore::new(1));
/// let root = semaphore.acquire_owned().await?.lend();
/// assert_eq!(visit(root, 6).await?, 64);
/// # Ok::<(), AcquireError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Lent(Arc<Loan>);

struct Loan {
    /// As many permits as are lent. Closed when they are back with the lender.
    room: Arc<Semaphore>,
    /// Where else there are permits.
    semaphore: Arc<Semaphore>,
    /// Taken by the lender that has them back.
    lender: Mutex<Option<Borrowed>>,
}

impl Loan {
    fn lender(&self) -> Option<Borrowed> {
        let lender = self.lender.lock();
        lender.unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// One loan after the other: a chain of them may be longer than the stack.
impl Drop for Loan {
    fn drop(&mut self) {
        let mut lender = self.lender();
        while let Some(Borrowed { permit, loan, .. }) = lender {
            drop(permit);
            lender = loan
                .and_then(Arc::into_inner)
                .and_then(|loan| loan.lender());
        }
    }
}

/// A permit that is borrowed from a loan, or, if there was one first, of the semaphore
/// itself. Given back when this is dropped.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use dynaphore::{Borrowed, Semaphore};
///
/// # futures::executor::block_on(async {
/// let semaphore = Arc::new(Semaphore::new(1));
/// let lent = semaphore.clone().acquire_owned().await?.lend();
/// let permit: Borrowed = lent.acquire().await?;
/// drop(lent);
/// assert_eq!(semaphore.active(), 1, "it is at work");
/// drop(permit);
/// assert_eq!(semaphore.active(), 0);
/// # Ok::<(), dynaphore::AcquireError>(())
/// # }).unwrap();
/// ```
#[must_use = "dropping a permit at once gives it back at once"]
#[clippy::has_significant_drop]
pub struct Borrowed {
    // In this order: what is borrowed is back before the loan ends.
    permit: OwnedSemaphorePermit,
    semaphore: Arc<Semaphore>,
    loan: Option<Arc<Loan>>,
}

impl OwnedSemaphorePermit {
    /// Lends these permits to what the holder waits for: tasks, or calls further down, that
    /// need permits of the same semaphore. Work that nests then goes on whatever max is.
    ///
    /// The holder is not to work before it has them [back](Lent::back).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), dynaphore::AcquireError> {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().await?;
    ///
    /// let lent = permit.lend();
    /// let child = tokio::spawn({
    ///     let lent = lent.clone();
    ///     // `semaphore.acquire()` would wait for ever: the parent waits for this task.
    ///     async move { lent.acquire().await.map(|_permit| "worked") }
    /// });
    /// assert_eq!(child.await.unwrap()?, "worked");
    ///
    /// let permit = lent.back().await?;
    /// assert_eq!(semaphore.active(), 1);
    /// # drop(permit);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "what is lent and not borrowed goes back at once"]
    pub fn lend(self) -> Lent {
        let semaphore = self.semaphore().clone();
        Borrowed {
            permit: self,
            semaphore,
            loan: None,
        }
        .lend()
    }
}

impl Borrowed {
    /// [`OwnedSemaphorePermit::lend`], for a permit that is borrowed itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let child = semaphore.acquire_owned().await?.lend().acquire().await?;
    /// let grandchild = child.lend().acquire().await?;
    /// # drop(grandchild);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[must_use = "what is lent and not borrowed goes back at once"]
    pub fn lend(self) -> Lent {
        let n = self.permit.num_permits();
        Lent(Arc::new(Loan {
            room: Arc::new(
                Semaphore::builder(n)
                    .grant_to_tasks(self.semaphore.queue.grants_to_tasks())
                    .build(),
            ),
            semaphore: self.semaphore.clone(),
            lender: Mutex::new(Some(self)),
        }))
    }

    /// How many permits these are.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use dynaphore::Semaphore;
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// let lent = semaphore.acquire_many_owned(3).await?.lend();
    /// assert_eq!(lent.acquire().await?.num_permits(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.permit.num_permits()
    }
}

impl Lent {
    /// Waits for a permit of the loan, or for one of the semaphore, if that is free first.
    ///
    /// # Errors
    ///
    /// As for [`acquire`](Semaphore::acquire), where the semaphore has the say; but a permit
    /// that is lent is there after it has been closed, too, so that work that has begun can
    /// end.
    ///
    /// # Cancel safety
    ///
    /// As for [`acquire`](Semaphore::acquire).
    ///
    /// # Fairness
    ///
    /// First in, first out, in each of the two lines.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(2));
    /// let lent = semaphore.clone().acquire_owned().await?.lend();
    /// let borrowed = lent.acquire().await?;
    /// assert_eq!(semaphore.active(), 1);
    /// let other = lent.acquire().await?;
    /// assert_eq!(semaphore.active(), 2, "one more was free");
    /// # drop((borrowed, other));
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    pub fn acquire(&self) -> impl Future<Output = Result<Borrowed, AcquireError>> + Send + use<> {
        let loan = self.0.clone();
        async move {
            let near = pin!(Some(AcquireOwned::new(loan.room.clone(), 1)));
            let far = pin!(Some(AcquireOwned::new(loan.semaphore.clone(), 1)));
            // The place in line, what a permit from there keeps, and why there is none: a
            // closed room has none to give, and the semaphore may.
            let mut lines = [(near, Some(&loan), None), (far, None, None)];
            let told = poll_fn(|cx| {
                for (place, loan_kept, error) in &mut lines {
                    let Some(request) = place.as_mut().as_pin_mut() else {
                        continue;
                    };
                    match request.poll(cx) {
                        Poll::Ready(Ok(permit)) => {
                            return Poll::Ready(Ok(Borrowed {
                                permit,
                                semaphore: loan.semaphore.clone(),
                                loan: loan_kept.cloned(),
                            }));
                        }
                        Poll::Ready(Err(told)) => {
                            *error = Some(told);
                            place.set(None);
                        }
                        Poll::Pending => {}
                    }
                }
                match lines {
                    [(.., Some(_)), (.., Some(error))] => Poll::Ready(Err(error)),
                    _ => Poll::Pending,
                }
            })
            .await;
            // While `told` is a local: what is about to be returned is not dropped if a waker
            // panics, that of the next in line or of whoever waits for what was lent.
            for (place, ..) in &mut lines {
                place.set(None);
            }
            drop(loan);
            told
        }
    }

    /// Waits until all that was borrowed from the loan is back, and returns it to the holder.
    /// It waits in the loan's line, behind all who ask for a permit already; whoever asks
    /// after that has to wait for one of the semaphore.
    ///
    /// # Errors
    ///
    /// [`Closed`](AcquireError::Closed) if another handle of the loan has it back already.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the loan goes on with its other handles, as if this one
    /// had been dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use dynaphore::Semaphore;
    ///
    /// # futures::executor::block_on(async {
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let lent = semaphore.acquire_owned().await?.lend();
    /// drop(lent.acquire().await?);
    /// let permit = lent.back().await?;
    /// assert_eq!(permit.num_permits(), 1);
    /// # Ok::<(), dynaphore::AcquireError>(())
    /// # }).unwrap();
    /// ```
    pub async fn back(self) -> Result<Borrowed, AcquireError> {
        let Self(loan) = self;
        let all = loan.room.acquire_many(loan.room.max() as u32).await?;
        loan.room.close();
        drop(all);
        loan.lender().ok_or(AcquireError::Closed)
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent")
            .field("room", &self.0.room)
            .field("semaphore", &self.0.semaphore)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Borrowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrowed")
            .field("permits", &self.num_permits())
            .field("of_a_loan", &self.loan.is_some())
            .finish_non_exhaustive()
    }
}
