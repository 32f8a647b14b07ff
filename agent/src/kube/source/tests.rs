use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Uri, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};

use super::*;

const NODE: &str = "n1";
/// The lists of one cluster: one for each kind.
const KINDS: usize = 5;
/// Versions of the lists.
const WITH_PODS: &str = "11";
const WITHOUT_PODS: &str = "22";
/// Time in which a list takes effect once it was answered.
const IN_FORCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_panic_of_the_task_is_noticed() {
    let (_sender, updates) = watch::channel(None);
    let mut source = KubeSource { updates, task: tokio::spawn(async { panic!("no such kind") }) };
    let error = source.ended().await.to_string();
    assert_eq!(error, "the task that watches the API server panicked: no such kind");
}

#[tokio::test]
async fn a_list_that_replaces_another_counts_when_the_cluster_is_confirmed() {
    let (server, mut updates, _source) = started().await;
    server.lose_pods(Cluster::Silent);
    server.until(|asked| asked.lists >= 2 * KINDS && asked.identity >= 2).await;
    sleep(IN_FORCE).await;
    assert_eq!(pods(updates.borrow().as_ref()), Some(1), "the API server has not said which cluster this list is of");

    server.says.send_modify(|says| says.cluster = Cluster::Named);
    wait_for_pods(&mut updates, 0).await;
}

#[tokio::test]
async fn a_list_does_not_count_while_the_cluster_cannot_be_told() {
    let (server, updates, _source) = started().await;
    server.lose_pods(Cluster::Unknown);
    let before = server.asked.borrow().identity;
    server.until(|asked| asked.lists >= 2 * KINDS && asked.identity > before + 2).await;
    sleep(IN_FORCE).await;
    assert_eq!(
        pods(updates.borrow().as_ref()),
        Some(1),
        "an API server that has lost its objects has no kube-system either"
    );
}

/// What the API server says when it is asked which cluster it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cluster {
    /// The uid of its namespace kube-system.
    Named,
    /// That it has no such namespace.
    Unknown,
    /// Nothing, until that changes.
    Silent,
}

#[derive(Clone, Copy, Debug)]
struct Says {
    has_pods: bool,
    cluster: Cluster,
}

/// How often the API server was asked for what.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    lists: usize,
    identity: usize,
}

/// An API server over HTTP whose answers a test decides: no real one can be made to be silent on one question alone.
#[derive(Clone, Debug)]
struct Server {
    says: watch::Sender<Says>,
    asked: watch::Sender<Asked>,
}

impl Server {
    /// Ends all watches with "410 Gone", and lists no pods from now on.
    fn lose_pods(&self, cluster: Cluster) {
        self.says.send_replace(Says { has_pods: false, cluster });
    }

    async fn until(&self, is_enough: impl Fn(&Asked) -> bool) {
        let mut asked = self.asked.subscribe();
        let enough = tokio::time::timeout(Duration::from_secs(30), asked.wait_for(is_enough)).await;
        enough.unwrap_or_else(|_| panic!("asked only {:?}", self.asked.borrow())).unwrap();
    }
}

async fn answer(State(server): State<Server>, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let mut says = server.says.subscribe();
    let items = if query.contains("watch=true") {
        let had_pods = query.contains(&format!("resourceVersion={WITH_PODS}"));
        says.wait_for(|says| says.has_pods != had_pods).await.unwrap();
        let gone =
            json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"});
        return json_response(&json!({"type": "ERROR", "object": gone}));
    } else if query.contains("kube-system") {
        server.asked.send_modify(|asked| asked.identity += 1);
        let says = *says.wait_for(|says| says.cluster != Cluster::Silent).await.unwrap();
        let landmark = json!({"metadata": {"name": "kube-system", "uid": "the cluster"}});
        if says.cluster == Cluster::Named { vec![landmark] } else { Vec::new() }
    } else {
        server.asked.send_modify(|asked| asked.lists += 1);
        match uri.path() {
            "/api/v1/pods" if says.borrow().has_pods => vec![json!({
                "metadata": {"name": "seed", "namespace": "default", "uid": "1"},
                "spec": {"nodeName": NODE, "containers": []},
            })],
            _ => Vec::new(),
        }
    };
    let version = if says.borrow().has_pods { WITH_PODS } else { WITHOUT_PODS };
    json_response(
        &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}),
    )
}

fn json_response(body: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], Body::from(body.to_string())).into_response()
}

type Updates = watch::Receiver<Option<Update>>;

/// Returns an API server with one pod, and the updates of a source that watches it, which has listed the pod and ends when
/// it is dropped.
async fn started() -> (Server, Updates, (KubeSource, tempfile::TempDir)) {
    let says = watch::Sender::new(Says { has_pods: true, cluster: Cluster::Named });
    let server = Server { says, asked: watch::Sender::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });

    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    let config = json!({
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let access = Access::Kubeconfig(kubeconfig);
    let source = KubeSource::start(&access, NODE, folder.path().join("objects.json")).await.unwrap();
    server.until(|asked| asked.identity == 1).await;
    let mut updates = source.updates();
    wait_for_pods(&mut updates, 1).await;
    (server, updates, (source, folder))
}

fn pods(update: Option<&Update>) -> Option<usize> {
    Some(update?.world.as_ref()?.pods.len())
}

async fn wait_for_pods(updates: &mut Updates, count: usize) {
    let right = updates.wait_for(|update| pods(update.as_ref()) == Some(count));
    let waited = tokio::time::timeout(Duration::from_secs(30), right).await.map(drop);
    waited.unwrap_or_else(|_| panic!("not {count} pods, but {:?}", updates.borrow()));
}
