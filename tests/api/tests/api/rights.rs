//! The rights that the manifests give are exactly what the agent uses: none is missing, none is left over.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use weir_api_tests::{ControlPlane, Kubelet, Request, Setup};
use weir_lab::{AgentOptions, Lab, LabOptions, NodeOptions};

use crate::agent::{is_in_tier, within};
use crate::deploy::{ACCOUNT, NAMESPACE, install};
use crate::world::{TIER, UPLINK, established, pod};

/// Until the agent has done everything that it does from time to time.
const EVERYTHING: Duration = Duration::from_mins(2);
/// Between two changes: longer than the agent waits before it tells of the next.
const TOLD: Duration = Duration::from_secs(3);
/// HTTP's status code for an object that was made.
const CREATED: u16 = 201;

/// One thing that may be done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    /// Of a Role; none: everywhere.
    namespace: Option<String>,
    group: String,
    /// With its part, as in "pods/status".
    resource: String,
    verb: String,
    /// The only objects; none: all.
    names: Vec<String>,
}

impl Right {
    fn allows(&self, request: &Request) -> bool {
        let Some(object) = &request.object else { return false };
        let part = if object.subresource.is_empty() { String::new() } else { format!("/{}", object.subresource) };
        // A patch that makes its object (server-side apply) is authorised as both.
        let makes = request.verb == "patch" && request.code == CREATED;
        (self.verb == request.verb || self.verb == "create" && makes)
            && self.group == object.api_group
            && self.resource == format!("{}{part}", object.resource)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == object.namespace)
            && (self.names.is_empty() || self.names.contains(&object.name))
    }
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    metadata: Metadata,
    role_ref: Reference,
    #[serde(default)]
    subjects: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    kind: String,
    name: String,
    namespace: Option<String>,
}

#[derive(Deserialize)]
struct Role {
    rules: Vec<Rule>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
    resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    paths: Vec<String>,
}

/// Everything that the account is allowed anywhere, as the API server has it.
fn granted(cluster: &ControlPlane) -> Result<BTreeSet<Right>> {
    let mut rights = BTreeSet::new();
    for kind in ["clusterrolebindings", "rolebindings"] {
        let bindings: List<Binding> =
            serde_json::from_str(&cluster.kubectl(&["get", kind, "--all-namespaces", "-o", "json"])?)?;
        for binding in bindings.items {
            let is_ours = |subject: &Reference| {
                subject.kind == "ServiceAccount"
                    && subject.name == ACCOUNT
                    && subject.namespace.as_deref() == Some(NAMESPACE)
            };
            if binding.subjects.iter().any(is_ours) {
                rights.extend(granted_by(cluster, &binding)?);
            }
        }
    }
    Ok(rights)
}

fn granted_by(cluster: &ControlPlane, binding: &Binding) -> Result<Vec<Right>> {
    let (role, namespace) = (&binding.role_ref, &binding.metadata.namespace);
    let place = namespace.as_ref().map(|namespace| format!("--namespace={namespace}"));
    let get = ["get", &role.kind, &role.name, "-o", "json"];
    let text = cluster.kubectl(&get.into_iter().chain(place.as_deref()).collect::<Vec<_>>())?;
    let role: Role = serde_json::from_str(&text).with_context(|| format!("the role of {}", binding.metadata.name))?;
    let mut rights = Vec::new();
    for rule in role.rules {
        ensure!(rule.paths.is_empty(), "{} allows paths, of which the agent needs none", binding.metadata.name);
        for (group, resource, verb) in rule.api_groups.iter().flat_map(|group| {
            let pairs = rule.resources.iter().flat_map(|resource| rule.verbs.iter().map(move |verb| (resource, verb)));
            pairs.map(move |(resource, verb)| (group, resource, verb))
        }) {
            ensure!(![group, resource, verb].iter().any(|word| word.contains('*')), "{} allows `*`", role_of(binding));
            rights.push(Right {
                namespace: namespace.clone(),
                group: group.clone(),
                resource: resource.clone(),
                verb: verb.clone(),
                names: rule.resource_names.clone(),
            });
        }
    }
    Ok(rights)
}

fn role_of(binding: &Binding) -> String {
    format!("{} {}", binding.role_ref.kind, binding.role_ref.name)
}

/// What the account asked until now.
fn asked(cluster: &ControlPlane) -> Result<Vec<Request>> {
    let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    Ok(cluster.requests()?.into_iter().filter(|request| request.user == user).collect())
}

fn none_is_forbidden(cluster: &ControlPlane) -> Result<()> {
    let forbidden: Vec<Request> = asked(cluster)?.into_iter().filter(Request::is_forbidden).collect();
    ensure!(forbidden.is_empty(), "deploy/base/rbac.yaml lacks what the agent needs: {forbidden:#?}");
    Ok(())
}

#[test]
fn the_agent_needs_every_right_that_it_has_and_no_other() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let node = lab.node(1, NodeOptions::default())?;
    let cluster = Setup::default().within(node.ns()).audited().start()?;
    install(&cluster, &[])?;
    established(&cluster)?;
    let rights = granted(&cluster)?;
    ensure!(!rights.is_empty(), "nothing is granted to {NAMESPACE}/{ACCOUNT}");
    let kubeconfig = cluster.kubeconfig_of_account(NAMESPACE, ACCOUNT)?;

    for object in [UPLINK, TIER, &pod("seed", node.name(), "app: seed")] {
        cluster.apply(object)?;
    }
    let mut kubelet = Kubelet::join(&cluster, &node)?;
    kubelet.work()?;
    let options = AgentOptions { kubeconfig: Some(kubeconfig), tell_log: true, ..AgentOptions::default() };
    let agent = node.start_agent(&options)?;
    cluster.kubectl(&["label", "pod", "seed", "traffic-tier=bulk"])?;
    within("the label is enforced", || is_in_tier(&agent))?;
    let deadline = Instant::now() + EVERYTHING;
    // A tier that now and then cannot be obeyed: that is told, and that it is so again.
    for uplink in ["nowhere", "wan"].into_iter().cycle() {
        cluster.apply(&TIER.replace("wan", uplink))?;
        std::thread::sleep(TOLD);
        none_is_forbidden(&cluster)?;
        let asked = asked(&cluster)?;
        let unused: Vec<&Right> =
            rights.iter().filter(|right| !asked.iter().any(|request| right.allows(request))).collect();
        if unused.is_empty() {
            break;
        }
        ensure!(Instant::now() < deadline, "deploy/base/rbac.yaml gives what the agent never uses: {unused:#?}");
    }
    agent.terminate()?;
    none_is_forbidden(&cluster)
}
