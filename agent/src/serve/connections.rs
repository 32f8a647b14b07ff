//! Takes connections, at most so many at once.
//!
//! Who opens many connections and asks nothing, or sends a request a byte at a time, must not keep a scraper or a
//! probe out. So a request's header has to come soon, and where all places are taken the oldest connection that has no
//! request under way gives its place to the new one. Who asks in earnest sends the request at once.

use std::{
    convert::Infallible,
    error::Error,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::serve::Listener;
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// Connections that one server holds at once. Few ask a node's agent: a scraper or two, the kubelet, a person.
pub(super) const CONNECTIONS: usize = 64;
/// How long a request's header may take, and how long a connection may wait for the next request.
pub(super) const HEADER: Duration = Duration::from_secs(10);

/// How connections are spoken to.
pub(super) type Protocol = Builder<TokioExecutor>;

/// HTTP/1.1, which scrapers and probes speak.
pub(super) fn http1() -> Protocol {
    let mut protocol = Builder::new(TokioExecutor::new()).http1_only();
    protocol.http1().timer(TokioTimer::new()).header_read_timeout(HEADER);
    protocol
}

/// HTTP/2, which gRPC speaks.
pub(super) fn http2() -> Protocol {
    Builder::new(TokioExecutor::new()).http2_only()
}

/// Serves connections until `stop` is cancelled and those that are open have had their answers.
pub(super) async fn serve<L, S, B>(mut listener: L, protocol: Protocol, service: S, stop: CancellationToken)
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut open = Open::default();
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            (stream, _) = listener.accept() => stream,
        };
        if !open.make_room() {
            debug!("a connection was refused: each of the {CONNECTIONS} has a request under way");
            continue;
        }
        let requests = Arc::new(AtomicUsize::new(0));
        let (service, counted) = (service.clone(), Arc::clone(&requests));
        let service = service_fn(move |request| {
            let under_way = UnderWay::begin(&counted);
            let answer = service.call(request);
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        });
        let (protocol, stop) = (protocol.clone(), stop.clone());
        let task = open.tasks.spawn(async move {
            let mut connection = pin!(protocol.serve_connection(TokioIo::new(stream), service));
            // Whoever asked may hang up or send nonsense, which is their own matter.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
        open.connections.push(Connection { task, requests });
    }
    while open.tasks.join_next().await.is_some() {}
}

/// Connections, the oldest first.
#[derive(Default)]
struct Open {
    tasks: JoinSet<()>,
    connections: Vec<Connection>,
}

struct Connection {
    task: AbortHandle,
    /// Requests that have not been answered yet.
    requests: Arc<AtomicUsize>,
}

impl Open {
    /// Returns whether there is a place for one more, after closing an idle connection if need be.
    fn make_room(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        self.connections.retain(|connection| !connection.task.is_finished());
        if self.connections.len() < CONNECTIONS {
            return true;
        }
        let idle = self.connections.iter().position(|connection| connection.requests.load(Ordering::Relaxed) == 0);
        idle.map(|idle| self.connections.remove(idle).task.abort()).is_some()
    }
}

/// Counts a request from its header to its answer.
struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn begin(requests: &Arc<AtomicUsize>) -> Self {
        requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(requests))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
