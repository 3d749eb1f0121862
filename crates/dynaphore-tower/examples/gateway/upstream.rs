//! A small upstream that counts the bodies it has open.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::Method,
};
use futures::{StreamExt, stream};
use tokio::{net::TcpListener, sync::mpsc, time::sleep};

/// Each body comes in so many pieces,
const PIECES: u32 = 4;
/// with such a pause before each of them.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Seen {
    open: usize,
    peak: usize,
}

/// An upstream that is served until the runtime ends.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Upstream {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<Seen>>::default();
        let app = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        tokio::spawn(async { axum::serve(listener, app).await });
        Ok(Self { address, seen })
    }

    /// How many bodies are open.
    pub fn open(&self) -> usize {
        lock(&self.seen).open
    }

    /// The most that were open at once since the last call, or are.
    pub fn take_peak(&self) -> usize {
        let mut seen = lock(&self.seen);
        let open = seen.open;
        std::mem::replace(&mut seen.peak, open)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A body that is open, from when its request comes.
struct Open(Arc<Mutex<Seen>>);

impl Open {
    fn new(seen: Arc<Mutex<Seen>>) -> Self {
        let mut now = lock(&seen);
        now.open += 1;
        now.peak = now.peak.max(now.open);
        drop(now);
        Self(seen)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.0).open -= 1;
    }
}

/// The work begins when the whole request is there, and goes on when its reader has gone, as
/// that of a database does. The head of the answer is sent with the first piece.
async fn answer(State(seen): State<Arc<Mutex<Seen>>>, method: Method, _request: Bytes) -> Body {
    if method == Method::HEAD {
        return Body::empty();
    }
    let mut open = Some(Open::new(seen));
    let (pieces, mut received) = mpsc::channel(1);
    tokio::spawn(async move {
        for left in (0..PIECES).rev() {
            sleep(PAUSE).await;
            // Not counted any more when the last piece goes out: its reader may be quicker.
            open = open.filter(|_| left > 0);
            let piece = Bytes::from_static(b"a piece of the body\n");
            let _ = pieces.send(Ok::<_, io::Error>(piece)).await;
        }
    });
    let first = stream::iter(received.recv().await);
    Body::from_stream(first.chain(stream::poll_fn(move |cx| received.poll_recv(cx))))
}
