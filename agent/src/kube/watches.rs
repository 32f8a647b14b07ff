//! What is asked of the API server: one list and watch per kind.

use std::fmt::Debug;

use futures::{
    StreamExt as _,
    stream::{BoxStream, SelectAll, select_all},
};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, ObjectMeta, PartialObjectMeta},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Config, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use weir_api::{
    Object,
    json::{self, Read},
    objects::{TrafficTier, Uplink},
};
use weir_core::model::{Labels, ObjectRef};

use super::{
    known::{Kind, Said},
    retry::Retry,
};

/// What a watch said, or why it failed. A watch that failed is tried again.
pub(super) type Heard = (Kind, Result<Said, watcher::Error>);

/// What all watches say, as it comes.
pub(super) type Watches = SelectAll<BoxStream<'static, Heard>>;

/// Everything that this node needs to know.
pub(super) fn all(client: &Client, node: &str) -> Watches {
    let fields = |selector: String| Config::default().fields(&selector);
    select_all([
        resources::<Uplink>(client, Kind::Uplinks, json::Kind::Uplink, Config::default()),
        resources::<TrafficTier>(client, Kind::Tiers, json::Kind::TrafficTier, Config::default()),
        resources::<Pod>(client, Kind::Pods, json::Kind::Pod, fields(format!("spec.nodeName={node}"))),
        labels::<Namespace>(client, Kind::Namespaces, Config::default(), Object::Namespace),
        labels::<Node>(client, Kind::Node, fields(format!("metadata.name={node}")), Object::Node),
    ])
}

/// Whole resources. One that cannot be read must not keep the others from being listed, so each is read by itself.
fn resources<K: Resource<DynamicType = ()>>(
    client: &Client,
    kind: Kind,
    read_as: json::Kind,
    config: Config,
) -> BoxStream<'static, Heard> {
    let resource = ApiResource::erase::<K>(&());
    let name = resource.kind.clone();
    let read = move |object: DynamicObject| {
        let read = match serde_json::to_value(&object) {
            Ok(value) => json::read(read_as, value),
            Err(error) => Read { problems: vec![error.to_string()], ..Read::default() },
        };
        (id(&name, &object.metadata), read)
    };
    let events = watcher(Api::<DynamicObject>::all_with(client.clone(), &resource), config);
    events.backoff(Retry::default()).map(move |event| (kind, event.map(|event| said(event, &read)))).boxed()
}

/// Names and labels alone.
fn labels<K>(
    client: &Client,
    kind: Kind,
    config: Config,
    object: fn(String, Labels) -> Object,
) -> BoxStream<'static, Heard>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let read = move |resource: PartialObjectMeta<K>| {
        let id = id(&K::kind(&()), &resource.metadata);
        let object = object(id.name.clone(), resource.metadata.labels.unwrap_or_default());
        (id, Read { object: Some(object), ..Read::default() })
    };
    let events = watcher(Api::<PartialObjectMeta<K>>::all(client.clone()), config);
    events.backoff(Retry::default()).map(move |event| (kind, event.map(|event| said(event, &read)))).boxed()
}

fn said<T>(event: Event<T>, read: &impl Fn(T) -> (ObjectRef, Read)) -> Said {
    match event {
        Event::Init => Said::Begin,
        Event::InitApply(object) => {
            let (id, read) = read(object);
            Said::Listed(id, read)
        }
        Event::InitDone => Said::End,
        Event::Apply(object) => {
            let (id, read) = read(object);
            Said::Put(id, read)
        }
        Event::Delete(object) => Said::Gone(read(object).0),
    }
}

fn id(kind: &str, metadata: &ObjectMeta) -> ObjectRef {
    let name = metadata.name.clone().unwrap_or_default();
    let name = metadata.namespace.as_ref().map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
    ObjectRef { kind: kind.to_owned(), name }
}
