//! A way to a store that counts the requests to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use velero::runtime::task::Group;

/// What ends the first line of every request. The few small bodies that a server sends while it is measured have it nowhere.
const MARK: &[u8] = b" HTTP/1.1\r\n";

/// Passes on what it gets. Ends with the runtime that it was started in.
pub struct Counter {
    /// Where it listens: `http://host:port`.
    pub endpoint: String,
    requests: Arc<AtomicU64>,
}

impl Counter {
    /// One before this `http://host:port`.
    pub fn before(runtime: &Runtime, store: &str) -> Self {
        let store = store.strip_prefix("http://").expect("plain HTTP").to_owned();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("its address");
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        runtime.spawn(async move {
            let connections = Group::new();
            while let Ok((client, _)) = listener.accept().await {
                let (store, counted) = (store.clone(), Arc::clone(&counted));
                connections.spawn_detached("connection", async move {
                    // One that breaks is one that its client closed.
                    let _ = pass_on(client, &store, &counted).await;
                });
            }
        });
        Self {
            endpoint: format!("http://{address}"),
            requests,
        }
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn pass_on(client: TcpStream, store: &str, requests: &AtomicU64) -> io::Result<()> {
    let store = TcpStream::connect(store).await?;
    for stream in [&client, &store] {
        stream.set_nodelay(true)?;
    }
    let ((mut from_client, mut to_client), (mut from_store, mut to_store)) = (client.into_split(), store.into_split());
    let up = async {
        // The end of the last piece is kept: a mark may lie across two pieces.
        let (mut piece, mut kept) = (vec![0; 16 * 1024], 0);
        loop {
            let read = from_client.read(&mut piece[kept..]).await?;
            if read == 0 {
                return to_store.shutdown().await;
            }
            let end = kept + read;
            to_store.write_all(&piece[kept..end]).await?;
            let found = piece[..end]
                .windows(MARK.len())
                .filter(|window| *window == MARK)
                .count();
            requests.fetch_add(found as u64, Ordering::Relaxed);
            kept = end.min(MARK.len() - 1);
            piece.copy_within(end - kept..end, 0);
        }
    };
    let down = async {
        io::copy(&mut from_store, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(up, down).map(|_| ())
}
