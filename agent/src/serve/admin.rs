//! The admin API's server.

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt};
use hyper_util::service::TowerToHyperService;
use tokio::{net::UnixListener, time::MissedTickBehavior};
use tokio_stream::wrappers::IntervalStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, service::Routes};
use weir_api::admin::{self, DEFAULT_INTERVAL_NS, MIN_INTERVAL_NS, v1};
use weir_core::model::PodKey;

use super::{Served, connections, snapshots::Unavailable};

/// Answers the admin API until `stop` is cancelled.
pub(super) async fn serve(listener: UnixListener, served: Served, stop: CancellationToken) {
    let service = Service { served, stop: stop.clone() };
    let routes = Routes::new(v1::admin_server::AdminServer::new(service)).prepare();
    connections::serve(listener, connections::http2(), TowerToHyperService::new(routes), stop).await;
}

#[derive(Debug)]
struct Service {
    served: Served,
    stop: CancellationToken,
}

impl Service {
    async fn state(served: &Served) -> Result<v1::Snapshot, Status> {
        let snapshot = served.snapshots.fresh().await.map_err(status)?;
        Ok(admin::snapshot(&snapshot, &served.kernel))
    }
}

#[tonic::async_trait]
impl v1::admin_server::Admin for Service {
    async fn get_snapshot(
        &self,
        _request: Request<v1::GetSnapshotRequest>,
    ) -> Result<Response<v1::GetSnapshotResponse>, Status> {
        let snapshot = Some(Self::state(&self.served).await?);
        Ok(Response::new(v1::GetSnapshotResponse { snapshot }))
    }

    type WatchSnapshotsStream = Pin<Box<dyn Stream<Item = Result<v1::WatchSnapshotsResponse, Status>> + Send>>;

    async fn watch_snapshots(
        &self,
        request: Request<v1::WatchSnapshotsRequest>,
    ) -> Result<Response<Self::WatchSnapshotsStream>, Status> {
        let interval = match request.into_inner().interval_ns {
            0 => DEFAULT_INTERVAL_NS,
            interval => interval.max(MIN_INTERVAL_NS),
        };
        let mut ticks = tokio::time::interval(Duration::from_nanos(interval));
        // A client that reads slowly gets the next moment, not all those that it missed.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let served = self.served.clone();
        let snapshots = IntervalStream::new(ticks)
            .then(move |_| {
                let served = served.clone();
                async move { Self::state(&served).await }
            })
            .map(|state| state.map(|snapshot| v1::WatchSnapshotsResponse { snapshot: Some(snapshot) }))
            // Without this a watching client would hold up the agent's end.
            .take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(snapshots)))
    }

    async fn explain_pod(
        &self,
        request: Request<v1::ExplainPodRequest>,
    ) -> Result<Response<v1::ExplainPodResponse>, Status> {
        let v1::ExplainPodRequest { namespace, name } = request.into_inner();
        let snapshot = self.served.snapshots.fresh().await.map_err(status)?;
        admin::explain_pod(&snapshot, &PodKey { namespace, name })
            .map(Response::new)
            .map_err(|error| Status::not_found(error.to_string()))
    }
}

fn status(error: Unavailable) -> Status {
    Status::unavailable(error.to_string())
}
