//! Server-side apply, with field managers of our own.

use std::{fmt::Debug, future::Future, time::Duration};

use anyhow::Context as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Client, Error, Resource,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::timeout;
use weir_api::objects::Status;

/// Field manager of what each agent writes of its own node.
pub(super) const AGENT: &str = "weir-agent";
/// Field manager of what the holder of the lease writes.
pub(super) const CLUSTER: &str = "weir";
/// How long the API server may take for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Gives the answer, or an error after a while: a connection may hang without a word.
pub(super) async fn answer<T>(asking: impl Future<Output = Result<T, Error>>) -> anyhow::Result<T> {
    let answer = timeout(ANSWER, asking).await;
    Ok(answer.with_context(|| format!("the API server has not answered for {ANSWER:?}"))??)
}

/// Makes an object, or brings it to what is given. Gives it as it stands then.
pub(super) async fn object<K>(client: &Client, manager: &str, object: &K) -> anyhow::Result<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let name = object.meta().name.clone().unwrap_or_default();
    let api = Api::<K>::all(client.clone());
    answer(api.patch(&name, &PatchParams::apply(manager).force(), &Patch::Apply(object))).await
}

/// Writes the status of an object that is there. False where it is not any more.
pub(super) async fn status<K>(
    client: &Client,
    manager: &str,
    name: &str,
    status: &impl Serialize,
) -> anyhow::Result<bool>
where
    K: Resource<DynamicType = ()>,
{
    let resource = ApiResource::erase::<K>(&());
    let body = json!({
        "apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, "status": status,
    });
    let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
    let patch = Patch::Apply(&body);
    let params = PatchParams::apply(manager).force();
    let writing = async {
        match api.patch_status(name, &params, &patch).await {
            Ok(_) => Ok(true),
            Err(Error::Api(status)) if status.code == 404 => Ok(false),
            Err(error) => Err(error),
        }
    };
    answer(writing).await
}

/// Whether two statuses say the same, but for their rates. The time of a condition is part of what it says only as long
/// as it stays.
pub(super) fn says_the_same(one: &Status, other: &Status) -> bool {
    let rest = |status: &Status| Status { conditions: Vec::new(), rate: None, ..status.clone() };
    rest(one) == rest(other) && conditions_say_the_same(&one.conditions, &other.conditions)
}

/// Likewise for conditions.
pub(super) fn conditions_say_the_same(one: &[Condition], other: &[Condition]) -> bool {
    let same = |(one, other): (&Condition, &Condition)| {
        let timeless = Condition { last_transition_time: other.last_transition_time.clone(), ..one.clone() };
        timeless == *other
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}
