use std::{io, path::PathBuf};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};
use tonic::{Code, transport::Endpoint};
use weir_api::admin::v1::{
    ExplainPodRequest, GetSnapshotRequest, WatchSnapshotsRequest, admin_client::AdminClient, pod_desired::Place,
};

use super::*;

/// Servers on a socket in a folder of their own and a free port.
struct Running {
    http: SocketAddr,
    socket: PathBuf,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

async fn running() -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    let http = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = Listen { admin: folder.path().join("weir.sock"), http };
    let listeners = Listeners::bind(&listen).await.expect("free addresses");
    let (http, socket) = (listeners.http_address().expect("bound"), listeners.admin_path().to_owned());
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listeners, testing::served(testing::snapshot(3)), stop.clone()));
    Running { http, socket, stop, task, _folder: folder }
}

impl Running {
    fn client(&self) -> AdminClient<tonic::transport::Channel> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", self.socket.display())).expect("a path");
        AdminClient::new(endpoint.connect_lazy())
    }
}

#[tokio::test]
async fn the_admin_api_answers_over_the_socket() {
    let running = running().await;
    let mut client = running.client();
    let answer = client.get_snapshot(GetSnapshotRequest {}).await.expect("an answer").into_inner();
    let snapshot = answer.snapshot.expect("a snapshot");
    assert_eq!((snapshot.node.as_str(), snapshot.kernel.as_str(), snapshot.pods.len()), ("n1", "6.12.0", 3));

    let pod = |name: &str| ExplainPodRequest { namespace: "media".to_owned(), name: name.to_owned() };
    let explained = client.explain_pod(pod("seed")).await.expect("an answer").into_inner();
    let place = explained.pod.and_then(|pod| pod.desired).and_then(|desired| desired.place);
    assert!(matches!(place, Some(Place::Veth(veth)) if veth.name == "veth7"));
    let error = client.explain_pod(pod("sead")).await.expect_err("no such pod");
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn a_client_that_watches_does_not_hold_up_the_end() {
    let running = running().await;
    let request = WatchSnapshotsRequest { interval_ns: 1 };
    let mut watched = running.client().watch_snapshots(request).await.expect("an answer").into_inner();
    for _ in 0..2 {
        let message = watched.message().await.expect("a stream").expect("goes on");
        assert_eq!(message.snapshot.expect("a snapshot").node, "n1");
    }
    running.stop.cancel();
    assert_eq!(watched.message().await.expect("ends without an error"), None);
    // A server that waited for its clients for ever would never get here.
    running.task.await.expect("no panic").expect("no failure");
    assert!(!running.socket.exists(), "the socket is gone");
}

/// What the server answers to a scraper.
async fn scrape(http: SocketAddr) -> io::Result<String> {
    let mut connection = TcpStream::connect(http).await?;
    connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Whether the server has closed a connection.
async fn is_closed(connection: &mut (impl AsyncReadExt + Unpin)) -> bool {
    tokio::time::timeout(Duration::from_millis(1), connection.read(&mut [0])).await.is_ok()
}

#[tokio::test]
async fn who_holds_many_connections_keeps_nobody_out() -> io::Result<()> {
    let running = running().await;
    let (mut http, mut admin) = (Vec::new(), Vec::new());
    for _ in 0..2 * connections::CONNECTIONS {
        let mut connection = TcpStream::connect(running.http).await?;
        connection.write_all(b"GET /metrics HT").await?;
        http.push(connection);
        admin.push(UnixStream::connect(&running.socket).await?);
    }
    assert!(scrape(running.http).await?.starts_with("HTTP/1.1 200 OK"));
    running.client().get_snapshot(GetSnapshotRequest {}).await.expect("an answer");
    assert!(is_closed(&mut http[0]).await && is_closed(&mut admin[0]).await, "the oldest gave their places");
    assert!(!is_closed(http.last_mut().expect("some")).await, "there was no need to close the newest");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_come_is_not_waited_for_forever() -> io::Result<()> {
    let running = running().await;
    for start in [&b""[..], b"GET /metrics HTTP/1.1\r\nHost: we"] {
        let mut connection = TcpStream::connect(running.http).await?;
        connection.write_all(start).await?;
        let closed = tokio::time::timeout(2 * connections::HEADER, connection.read_to_end(&mut Vec::new())).await;
        assert!(closed.is_ok(), "the connection is still open");
    }
    Ok(())
}

#[tokio::test]
async fn metrics_are_served_over_http() -> io::Result<()> {
    let running = running().await;
    let answer = scrape(running.http).await?;
    let head = answer.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>();
    assert_eq!(head[0], "HTTP/1.1 200 OK");
    assert!(head.contains(&"content-type: text/plain; version=0.0.4; charset=utf-8"), "{head:?}");
    assert!(answer.contains("\nweir_map_capacity{map=\"PODS\"} 1024\n"));
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_key() {
    let running = running().await;
    let folder = tempfile::tempdir().expect("a folder");
    let listen = Listen { admin: folder.path().join("weir.sock"), http: running.http };
    let error = Listeners::bind(&listen).await.expect_err("in use");
    assert!(error.to_string().starts_with(&format!("cannot listen on {} (listen.http)", running.http)), "{error}");
}
