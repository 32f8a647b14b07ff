//! `/metrics`, `/healthz` and `/readyz`.

use std::{fmt::Display, sync::Arc};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Served, connections,
    health::Unwell,
    metrics::{CONTENT, Metrics},
};

#[derive(Clone)]
struct Shared {
    served: Served,
    metrics: Arc<Metrics>,
}

/// Answers HTTP until `stop` is cancelled.
pub(super) async fn serve(listener: TcpListener, served: Served, stop: CancellationToken) -> anyhow::Result<()> {
    let service = TowerToHyperService::new(router(served)?);
    connections::serve(listener, connections::http1(), service, stop).await;
    Ok(())
}

fn router(served: Served) -> anyhow::Result<Router> {
    let metrics = Arc::new(Metrics::new().context("the metrics contradict each other")?);
    Ok(Router::new()
        .route("/metrics", get(metrics_page))
        .route(
            "/healthz",
            get(|State(shared): State<Shared>| async move { verdict(shared.served.health.live().map(|()| None)) }),
        )
        .route("/readyz", get(|State(shared): State<Shared>| async move { verdict(shared.served.health.ready()) }))
        .with_state(Shared { served, metrics }))
}

async fn metrics_page(State(shared): State<Shared>) -> Response {
    let snapshot = match shared.served.snapshots.fresh().await {
        Ok(snapshot) => snapshot,
        Err(error) => return unavailable(&error),
    };
    match shared.metrics.page(snapshot) {
        Ok(page) => ([(CONTENT_TYPE, CONTENT)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Answers a probe; for a person who looks, also with what failed.
fn verdict(health: Result<Option<String>, Unwell>) -> Response {
    match health {
        Ok(None) => "ok\n".into_response(),
        Ok(Some(failed)) => format!("ok, but not in every part: {failed}\n").into_response(),
        Err(unwell) => unavailable(&unwell),
    }
}

fn unavailable(reason: &impl Display) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;
    use crate::serve::testing;

    async fn get(served: &Served, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router(served.clone()).expect("routes").oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn metrics_come_from_a_snapshot_taken_for_the_scrape() {
        let served = testing::served(testing::snapshot(1));
        let (status, page) = get(&served, "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("weir_build_info{version=\"0.1.0\"} 1\n"), "{page}");
    }

    #[tokio::test]
    async fn no_metrics_without_a_loop() {
        let (snapshots, requests) = super::super::snapshot_channel();
        drop(requests);
        let served = Served { snapshots, ..testing::served(testing::snapshot(1)) };
        let (status, body) = get(&served, "/metrics").await;
        assert_eq!((status, body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn health_follows_the_loop() {
        let served = testing::served(testing::snapshot(1));
        assert_eq!(get(&served, "/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
        assert_eq!(get(&served, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        served.health.policy_tried(Some("the map is full".to_owned()));
        let failed = "ok, but not in every part: the map is full\n".to_owned();
        assert_eq!(get(&served, "/readyz").await, (StatusCode::OK, failed));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(get(&served, "/healthz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
