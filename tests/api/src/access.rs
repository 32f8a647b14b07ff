//! Who may talk to the API server: users with tokens, their kubeconfigs, and what they may do.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::json;

use crate::control_plane::ControlPlane;

/// The user who may do everything.
pub(crate) const ADMIN: &str = "admin";
/// The group that no authoriser is asked about.
const ALMIGHTY: &str = "system:masters";
/// How long the API server may take to apply a rule that it stored.
const RULE_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A user and the token that proves it.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) token: String,
}

impl User {
    /// A user with a new token.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        ensure!(
            !name.is_empty() && name.chars().all(harmless),
            "user {name:?}: a name has letters, digits, and the signs - _ . : only"
        );
        let mut random = [0; 16];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut random)).context("cannot make a token")?;
        Ok(Self { name: name.to_owned(), token: format!("{:032x}", u128::from_ne_bytes(random)) })
    }

    /// The user's line in a token file: token, name, uid, groups.
    pub(crate) fn line(&self) -> String {
        let Self { name, token } = self;
        if name == ADMIN { format!("{token},{name},{name},{ALMIGHTY}\n") } else { format!("{token},{name},{name}\n") }
    }
}

/// Writes a kubeconfig (JSON, which is YAML too).
pub(crate) fn write_kubeconfig(to: &Path, server: &str, certificate: &Path, token: &str) -> Result<()> {
    write_kubeconfig_in("default", to, server, certificate, token)
}

/// Likewise, of somebody who works in a namespace.
pub(crate) fn write_kubeconfig_in(
    namespace: &str,
    to: &Path,
    server: &str,
    certificate: &Path,
    token: &str,
) -> Result<()> {
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "weir", "cluster": {"server": server, "certificate-authority": certificate}}],
        "users": [{"name": "weir", "user": {"token": token}}],
        "contexts": [{"name": "weir", "context": {"cluster": "weir", "user": "weir", "namespace": namespace}}],
        "current-context": "weir",
    });
    fs::write(to, text.to_string()).with_context(|| format!("cannot write {}", to.display()))
}

/// Something that a user may do, as in a Role.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule<'a> {
    /// Groups of the API; "" is the core one.
    pub api_groups: &'a [&'a str],
    /// Kinds of objects by their plural names, or parts of them as in "pods/status".
    pub resources: &'a [&'a str],
    /// What may be done: "get", "list", "watch", …
    pub verbs: &'a [&'a str],
}

impl ControlPlane {
    /// Lets a user do what the rules say, in one namespace or (`None`) in the whole cluster, and waits
    /// until the API server lets them. Rules that the same user had in the same place are replaced.
    pub fn allow(&self, user: &str, namespace: Option<&str>, rules: &[Rule]) -> Result<()> {
        let name = format!("test:{user}");
        let (role, binding) =
            if namespace.is_some() { ("Role", "RoleBinding") } else { ("ClusterRole", "ClusterRoleBinding") };
        let metadata = json!({"name": name, "namespace": namespace});
        let group = "rbac.authorization.k8s.io";
        let version = format!("{group}/v1");
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": version, "kind": role, "metadata": metadata, "rules": rules},
            {
                "apiVersion": version, "kind": binding, "metadata": metadata,
                "roleRef": {"apiGroup": group, "kind": role, "name": name},
                "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            },
        ]});
        self.apply(&objects.to_string())?;
        let deadline = Instant::now() + RULE_LIMIT;
        for rule in rules {
            while let Err(error) = self.may(user, namespace, rule) {
                if Instant::now() > deadline {
                    bail!("{user} still may not do what {rule:?} allows: {error:#}");
                }
                std::thread::sleep(POLL);
            }
        }
        Ok(())
    }

    /// Asks the API server about the first thing that a rule allows.
    fn may(&self, user: &str, namespace: Option<&str>, rule: &Rule) -> Result<()> {
        let ([group, ..], [resource, ..], [verb, ..]) = (rule.api_groups, rule.resources, rule.verbs) else {
            bail!("{rule:?} allows nothing: it needs a group, a resource and a verb");
        };
        let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
        let resource = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        let place = namespace.map_or("--all-namespaces".to_owned(), |namespace| format!("--namespace={namespace}"));
        let (user, part) = (format!("--as={user}"), format!("--subresource={part}"));
        self.kubectl(&["auth", "can-i", verb, &resource, &user, &part, &place]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::{ADMIN, User};

    #[test]
    fn users_have_a_line_and_a_token_each() {
        let [agent, admin] = ["agent", ADMIN].map(|name| User::new(name).unwrap());
        assert_eq!(agent.line(), format!("{},agent,agent\n", agent.token));
        assert!(admin.line().ends_with(",admin,admin,system:masters\n"), "{}", admin.line());
        assert!(agent.token.len() == 32 && agent.token != admin.token);
    }

    #[test]
    fn names_that_would_break_the_token_file_are_refused() {
        for name in ["", "a,b", "a\nb", "../a"] {
            assert!(User::new(name).is_err(), "{name:?}");
        }
    }
}
