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
};
use futures::stream;
use tokio::{net::TcpListener, time::sleep};

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

async fn answer(State(seen): State<Arc<Mutex<Seen>>>) -> Body {
    let start = (Some(Open::new(seen)), PIECES);
    Body::from_stream(stream::unfold(start, async |(open, left)| {
        if left == 0 {
            return None;
        }
        sleep(PAUSE).await;
        // Not counted any more when the last piece goes out: its reader may be quicker.
        let open = open.filter(|_| left > 1);
        let piece = Bytes::from_static(b"a piece of the body\n");
        Some((Ok::<_, io::Error>(piece), (open, left - 1)))
    }))
}
