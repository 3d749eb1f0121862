//! The server: each request that has a permit burns two milliseconds of a core.

use std::{
    convert::Infallible,
    hint::black_box,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use dynaphore_adaptive::{Adaptive, Outcome};
use http_body_util::Empty;
use hyper::{Response, StatusCode, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, runtime::Runtime};

/// What a request is, of CPU.
pub const WORK: Duration = Duration::from_millis(2);
/// How long it waits for a permit. Then it is turned away.
const PATIENCE: Duration = WORK;

pub struct Server {
    pub address: SocketAddr,
    /// The most that burned at one moment.
    pub highest: Arc<AtomicU32>,
    _runtime: Runtime,
}

/// How many rounds take [`WORK`] on a core of its own: the quickest of some tries.
pub fn calibrate() -> u64 {
    let rounds = 200_000;
    let time = |_| {
        let began = Instant::now();
        burn(rounds);
        began.elapsed()
    };
    let quickest = (0..100).map(time).min().expect("not empty");
    (rounds as f64 * WORK.as_secs_f64() / quickest.as_secs_f64()) as u64
}

/// Work, not time: it takes longer where others want the core.
fn burn(rounds: u64) {
    let mut x = black_box(1_u64);
    for _ in 0..rounds {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

pub fn start(adaptive: Adaptive, rounds: u64) -> Server {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("a port");
    let address = listener.local_addr().expect("is bound");
    let (burning, highest) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let most = highest.clone();
    runtime.spawn(async move {
        loop {
            // It went away before it was accepted, or descriptors are short.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (adaptive, burning, highest) = (adaptive.clone(), burning.clone(), most.clone());
            let service = service_fn(move |_| {
                let (adaptive, burning, highest) =
                    (adaptive.clone(), burning.clone(), highest.clone());
                async move {
                    let patience = tokio::time::sleep(PATIENCE);
                    let status = match adaptive.acquire().until(patience).await {
                        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
                        Ok(request) => {
                            let work = tokio::task::spawn_blocking(move || {
                                highest.fetch_max(burning.fetch_add(1, SeqCst) + 1, SeqCst);
                                burn(rounds);
                                burning.fetch_sub(1, SeqCst);
                                request.finish(Outcome::Served);
                            });
                            work.await.expect("burns without a panic");
                            StatusCode::OK
                        }
                    };
                    let mut response = Response::new(Empty::<Bytes>::new());
                    *response.status_mut() = status;
                    Ok::<_, Infallible>(response)
                }
            });
            let serving = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    Server {
        address,
        highest,
        _runtime: runtime,
    }
}
