//! What the API server was asked, as its audit log has it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::control_plane::ControlPlane;

/// Each request once it has been answered, and each watch once it has begun, without what was said in it.
pub(crate) const POLICY: &str = r#"{
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived", "Panic"],
    "rules": [{"level": "Metadata"}]
}"#;
const FORBIDDEN: u16 = 403;

/// A request to the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asked.
    pub user: String,
    /// What was to be done: "list", "watch", …
    pub verb: String,
    /// The path.
    pub path: String,
    /// The kind of object, if it was about one.
    pub object: Option<Asked>,
    /// HTTP's status code of the answer.
    pub code: u16,
}

/// What a request was about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Asked {
    /// Empty for the core group.
    pub api_group: String,
    /// Plural name.
    pub resource: String,
    /// Part of it, such as "status".
    pub subresource: String,
    /// Empty if it was about all of them, or the object has none.
    pub namespace: String,
    /// Empty if it was about several objects.
    pub name: String,
}

impl Request {
    /// Whether the API server refused it because the user may not do it.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code == FORBIDDEN
    }
}

/// An event of the audit log; the fields that matter here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: Person,
    object_ref: Option<Asked>,
    response_status: Option<Status>,
}

#[derive(Deserialize)]
struct Person {
    username: String,
}

#[derive(Deserialize)]
struct Status {
    code: Option<u16>,
}

impl ControlPlane {
    /// Everything that was asked until now, in the order of the answers. A watch is there when it begins and again
    /// when it ends.
    pub fn requests(&self) -> Result<Vec<Request>> {
        let path = self.audit_log().context("nobody keeps a log of requests: Setup::audited does")?;
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // The last line may not be whole yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(read).collect()
    }

    pub(crate) fn audit_policy(&self) -> PathBuf {
        self.folder().join("audit-policy.json")
    }
}

fn read(line: &str) -> Result<Request> {
    let event: Event = serde_json::from_str(line).with_context(|| format!("no event of an audit log: {line}"))?;
    Ok(Request {
        user: event.user.username,
        verb: event.verb,
        path: event.request_uri,
        object: event.object_ref,
        code: event.response_status.and_then(|status| status.code).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_line_of_the_log() {
        let line = r#"{"requestURI": "/api/v1/pods?watch=true", "verb": "watch", "user": {"username": "agent"},
            "objectRef": {"resource": "pods", "apiVersion": "v1"}, "responseStatus": {"metadata": {}, "code": 403}}"#;
        let request = read(line).unwrap();
        assert!(request.is_forbidden() && request.user == "agent", "{request:?}");
        let object = request.object.unwrap();
        assert_eq!((object.resource.as_str(), object.api_group.as_str()), ("pods", ""));
        assert!(read("{}").is_err());
    }
}
