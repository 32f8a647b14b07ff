//! A way to the API server that fails as networks do. TLS passes through: what is seen is bytes.

use std::future;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::control_plane::ControlPlane;
use crate::place::Place;
use crate::ports;

/// Bytes that are carried at once.
const CHUNK: usize = 16 << 10;
/// Chunks that may be under way in one direction.
const UNDER_WAY: usize = 256;
/// While the port of a proxy that refused is not free yet.
const BIND_AGAIN: Duration = Duration::from_millis(10);

/// What happens to bytes and new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Everything passes at once.
    Pass,
    /// Every byte arrives this much later, in both directions.
    Delay(Duration),
    /// Connections are taken and nothing is ever heard on them, nor on those that there were: they stay silent also
    /// when the way is another one again, like those that a firewall has forgotten.
    BlackHole,
    /// Nobody listens. Connections that there are stay.
    Refuse,
}

/// How connections end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As if each side had closed them.
    Close,
    /// With RST, at once.
    Reset,
}

/// What the proxy is told.
#[derive(Debug, Clone, Copy)]
struct Orders {
    way: Way,
    /// How the connections before this one's number end.
    end: (u32, End),
}

/// A proxy on 127.0.0.1 beside the API server. Ends with all its connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    own: SocketAddr,
    // None when it is dropped: its task ends by that.
    orders: Option<watch::Sender<Orders>>,
    taken: Arc<AtomicU32>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl ControlPlane {
    /// Starts a proxy in front of the API server, through which everything passes at first.
    pub fn proxy(&self) -> Result<Proxy> {
        Proxy::start(self.place(), self.address())
    }
}

impl Proxy {
    fn start(place: &Place, to: SocketAddr) -> Result<Self> {
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free(place)?));
        let (orders, told) = watch::channel(Orders { way: Way::Pass, end: (0, End::Close) });
        let taken = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&taken);
        let (started, is_started) = std::sync::mpsc::channel();
        let thread = place.thread(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listener = TcpListener::bind(own).await?;
                let _ = started.send(());
                serve(listener, (own, to), told, &count).await
            })?;
            Ok(())
        });
        is_started.recv().context("the proxy ended before it listened")?;
        Ok(Self { own, orders: Some(orders), taken, thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.own
    }

    /// Makes the way another one, for connections that there are and for new ones.
    pub fn set(&self, way: Way) {
        self.order(|orders| orders.way = way);
    }

    /// Closes every connection that there is.
    pub fn cut(&self) {
        self.end(End::Close);
    }

    /// Resets every connection that there is.
    pub fn reset(&self) {
        self.end(End::Reset);
    }

    /// How many connections it has taken since its start.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    fn end(&self, end: End) {
        let before = self.taken();
        self.order(|orders| orders.end = (before, end));
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        if let Some(orders) = &self.orders {
            orders.send_modify(change);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes connections until nobody gives orders any more.
async fn serve(
    listener: TcpListener,
    (own, to): (SocketAddr, SocketAddr),
    mut orders: watch::Receiver<Orders>,
    taken: &AtomicU32,
) -> io::Result<()> {
    let mut listener = Some(listener);
    loop {
        let refuses = orders.borrow_and_update().way == Way::Refuse;
        if refuses {
            listener = None;
        } else if listener.is_none() {
            listener = Some(bind(own).await?);
        }
        let connection = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { return Ok(()) },
            connection = connection => {
                let (client, _) = connection?;
                let number = taken.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(carry(client, to, number, orders.clone()));
            }
        }
    }
}

async fn bind(own: SocketAddr) -> io::Result<TcpListener> {
    loop {
        match TcpListener::bind(own).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::time::sleep(BIND_AGAIN).await,
            bound => return bound,
        }
    }
}

/// Carries one connection to its end.
async fn carry(mut client: TcpStream, to: SocketAddr, number: u32, mut orders: watch::Receiver<Orders>) {
    let silent = is_so(orders.clone(), |orders| orders.way == Way::BlackHole);
    let told = orders.clone();
    let mut server = None;
    let carried = async {
        // What cannot be reached closes the connection, like a load balancer without a server.
        let Ok(reached) = TcpStream::connect(to).await else { return };
        let server = server.insert(reached);
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let both = (relay(from_client, to_server, &told), relay(from_server, to_client, &told));
        let _ = tokio::join!(both.0, both.1);
    };
    let ended = async {
        let _ = orders.wait_for(|orders| number < orders.end.0).await;
        // Nobody gives orders any more: the end too.
    };
    let carried_or_silent = async {
        tokio::select! {
            biased;
            () = silent => future::pending().await,
            () = carried => {}
        }
    };
    tokio::select! {
        () = ended => {}
        () = carried_or_silent => return,
    }
    if orders.borrow().end.1 == End::Reset {
        for stream in [Some(&client), server.as_ref()].into_iter().flatten() {
            // One that has ended by itself needs no reset.
            let _ = stream.set_zero_linger();
        }
    }
}

/// Waits until the orders are so; for ever if nobody gives any.
async fn is_so(mut orders: watch::Receiver<Orders>, so: impl Fn(&Orders) -> bool) {
    if orders.wait_for(so).await.is_err() {
        future::pending::<()>().await;
    }
}

/// Carries bytes one way until their end, each as late as the way asks.
async fn relay(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, orders: &watch::Receiver<Orders>) -> io::Result<()> {
    let (send, mut receive) = mpsc::channel(UNDER_WAY);
    let read = async move {
        loop {
            let mut chunk = vec![0; CHUNK];
            let count = from.read(&mut chunk).await?;
            chunk.truncate(count);
            let late = match orders.borrow().way {
                Way::Delay(late) => late,
                Way::Pass | Way::BlackHole | Way::Refuse => Duration::ZERO,
            };
            if send.send((Instant::now() + late, chunk)).await.is_err() || count == 0 {
                return io::Result::Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, chunk)) = receive.recv().await {
            sleep_until(due).await;
            to.write_all(&chunk).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(|_| ())
}
