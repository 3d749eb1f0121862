// A program written for tokio's semaphore. It is compiled twice, with tokio's
// types in scope and with this crate's: see `drop_in.rs`.

use super::run;
use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

/// tokio's signatures. What is a value there must be one here.
#[test]
fn the_signatures_are_the_same() {
    type Borrowed<'a, E> = Result<SemaphorePermit<'a>, E>;
    type Owned<E> = Result<OwnedSemaphorePermit, E>;

    const MAX: usize = Semaphore::MAX_PERMITS;
    const NEW: fn(usize) -> Semaphore = Semaphore::new;
    static CONST_NEW: Semaphore = Semaphore::const_new(3);
    assert_eq!(
        (NEW(2).available_permits(), CONST_NEW.available_permits()),
        (2, 3)
    );
    assert_eq!(NEW(MAX).available_permits(), MAX);

    let _: fn(&Semaphore) -> usize = Semaphore::available_permits;
    let _: fn(&Semaphore, usize) = Semaphore::add_permits;
    let _: fn(&Semaphore, usize) -> usize = Semaphore::forget_permits;
    let _: fn(&Semaphore) = Semaphore::close;
    let _: fn(&Semaphore) -> bool = Semaphore::is_closed;

    let _: fn(&Semaphore) -> Borrowed<'_, TryAcquireError> = Semaphore::try_acquire;
    let _: fn(&Semaphore, u32) -> Borrowed<'_, TryAcquireError> = Semaphore::try_acquire_many;
    let _: fn(Arc<Semaphore>) -> Owned<TryAcquireError> = Semaphore::try_acquire_owned;
    let _: fn(Arc<Semaphore>, u32) -> Owned<TryAcquireError> = Semaphore::try_acquire_many_owned;
    let _: fn(&Semaphore) -> Borrowed<'_, AcquireError> = Semaphore::blocking_acquire;
    let _: fn(&Semaphore, u32) -> Borrowed<'_, AcquireError> = Semaphore::blocking_acquire_many;
    let _: fn(Arc<Semaphore>) -> Owned<AcquireError> = Semaphore::blocking_acquire_owned;
    let _: fn(Arc<Semaphore>, u32) -> Owned<AcquireError> = Semaphore::blocking_acquire_many_owned;

    fn sent<T>(_: impl Future<Output = T> + Send + Sync) {}
    let semaphore = Arc::new(Semaphore::new(1));
    sent::<Borrowed<'_, AcquireError>>(semaphore.acquire());
    sent::<Borrowed<'_, AcquireError>>(semaphore.acquire_many(2));
    sent::<Owned<AcquireError>>(semaphore.clone().acquire_owned());
    sent::<Owned<AcquireError>>(semaphore.clone().acquire_many_owned(2));

    let _: fn(SemaphorePermit<'static>) = SemaphorePermit::forget;
    let _: fn(&SemaphorePermit<'static>) -> usize = SemaphorePermit::num_permits;
    let _: fn(OwnedSemaphorePermit) = OwnedSemaphorePermit::forget;
    let _: fn(&OwnedSemaphorePermit) -> usize = OwnedSemaphorePermit::num_permits;
    let _: fn(&OwnedSemaphorePermit) -> &Arc<Semaphore> = OwnedSemaphorePermit::semaphore;
    let _: fn(&mut OwnedSemaphorePermit, OwnedSemaphorePermit) = OwnedSemaphorePermit::merge;
    let _: fn(&mut OwnedSemaphorePermit, usize) -> Option<OwnedSemaphorePermit> =
        OwnedSemaphorePermit::split;
    fn borrowed<'a>(one: &mut SemaphorePermit<'a>, other: SemaphorePermit<'a>) {
        let _: &Semaphore = one.semaphore();
        one.merge(other);
        let _: Option<SemaphorePermit<'a>> = one.split(1);
    }
    let mut one = semaphore.try_acquire().unwrap();
    let none = semaphore.try_acquire_many(0).unwrap();
    borrowed(&mut one, none);
}

/// Answers requests, a few at once, each for as long as its answer is in use.
struct Server {
    workers: Arc<Semaphore>,
    memory: Semaphore,
    served: Mutex<HashMap<u32, usize>>,
}

struct Answer {
    _worker: OwnedSemaphorePermit,
    text: String,
}

impl Server {
    async fn answer(&self, request: u32) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let mut worker = self.workers.clone().acquire_many_owned(2).await?;
        let mut memory: SemaphorePermit<'_> = self.memory.acquire_many(1 + request % 3).await?;
        if let Ok(more) = self.memory.try_acquire() {
            memory.merge(more);
        }
        tokio::task::yield_now().await;
        drop(worker.split(1));
        let used = memory.num_permits();
        self.served.lock().unwrap().insert(request, used);
        Ok(Answer {
            _worker: worker,
            text: format!("{request} took {used}"),
        })
    }
}

#[test]
fn a_server_answers_all_requests() {
    run(async {
        let server = Arc::new(Server {
            workers: Arc::new(Semaphore::new(4)),
            memory: Semaphore::new(3),
            served: Mutex::default(),
        });
        let requests: Vec<_> = (0..200)
            .map(|request| {
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    // Some clients do not wait to the end.
                    let patience = match request % 5 {
                        0 => Duration::from_micros(request.into()),
                        _ => Duration::MAX,
                    };
                    let answer = tokio::time::timeout(patience, server.answer(request)).await;
                    // Nobody keeps the answer, and with it a worker.
                    answer.map(|answer| answer.unwrap().text)
                })
            })
            .collect();
        for (request, answer) in (0..).zip(requests) {
            match answer.await.unwrap() {
                Ok(text) => assert!(text.starts_with(&format!("{request} took "))),
                Err(_) => assert_eq!(request % 5, 0),
            }
        }
        assert!(
            server
                .served
                .lock()
                .unwrap()
                .values()
                .all(|used| (1..=3).contains(used))
        );
        let all = (
            server.workers.available_permits(),
            server.memory.available_permits(),
        );
        assert_eq!(all, (4, 3));
    });
}

#[test]
fn tasks_are_started_at_a_rate() {
    run(async {
        let bucket = Arc::new(Semaphore::new(0));
        let filler = tokio::spawn({
            let bucket = Arc::clone(&bucket);
            async move {
                for _ in 0..10 {
                    bucket.add_permits(2);
                    tokio::task::yield_now().await;
                }
            }
        });
        for _ in 0..20 {
            bucket.acquire().await.unwrap().forget();
        }
        filler.await.unwrap();
        assert_eq!(bucket.available_permits(), 0);
    });
}

#[test]
fn work_on_blocking_threads_takes_turns() {
    run(async {
        let turns = Arc::new(Semaphore::new(1));
        let at_once = Arc::new(Mutex::new(()));
        let mut threads = Vec::new();
        for _ in 0..8 {
            let (turns, at_once) = (Arc::clone(&turns), Arc::clone(&at_once));
            threads.push(tokio::task::spawn_blocking(move || {
                let _turn = turns.blocking_acquire().unwrap();
                let _alone = at_once.try_lock().unwrap();
            }));
        }
        for thread in threads {
            thread.await.unwrap();
        }
        let owned: OwnedSemaphorePermit = turns.clone().acquire_owned().await.unwrap();
        assert!(Arc::ptr_eq(owned.semaphore(), &turns));
        assert_eq!(
            turns.clone().try_acquire_owned().unwrap_err(),
            TryAcquireError::NoPermits
        );
    });
}

#[test]
fn a_shutdown_waits_for_who_is_inside() {
    run(async {
        let inside = Arc::new(Semaphore::new(3));
        let one = inside.clone().try_acquire_owned().unwrap();
        assert_eq!(inside.forget_permits(1), 1);
        let late = tokio::spawn({
            let inside = Arc::clone(&inside);
            async move {
                inside
                    .acquire_many(2)
                    .await
                    .map(|permit| permit.num_permits())
            }
        });
        tokio::task::yield_now().await;
        inside.close();
        assert!(inside.is_closed());
        let refused: AcquireError = late.await.unwrap().unwrap_err();
        assert_eq!(refused.to_string(), "semaphore closed");
        assert_eq!(inside.try_acquire().unwrap_err(), TryAcquireError::Closed);
        drop(one);
        assert_eq!(inside.available_permits(), 2);
    });
}
