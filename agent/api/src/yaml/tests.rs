use super::*;

/// `line: reason: message` of everything that is wrong in a text, in its order.
fn problems(text: &str) -> Vec<String> {
    let list = read(text);
    list.iter()
        .flat_map(|entry| &entry.problems)
        .map(|it| format!("{}: {}: {}", it.line, it.reason, it.message))
        .collect()
}

fn ids(text: &str) -> Vec<String> {
    read(text).iter().filter_map(|entry| entry.object.as_ref()).map(|object| object.id().to_string()).collect()
}

const UPLINK: &str = "apiVersion: weir.dev/v1alpha1\nkind: Uplink\nmetadata: {name: wan}\nspec:\n  capacity: 20M\n";

const ALL: &str = "\
# everything that is read
apiVersion: v1
kind: Namespace
metadata:
  name: media
  labels: {team: media}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
---
apiVersion: weir.dev/v1alpha1
kind: Uplink
metadata: {name: wan}
spec: {capacity: 20M}
---
apiVersion: weir.dev/v1alpha1
kind: TrafficTier
metadata: {name: bulk-seed}
spec: {uplink: wan, guarantee: 1M, dscp: LE}
---
apiVersion: v1
kind: Pod
metadata: {name: seed, namespace: media, labels: {traffic-tier: bulk-seed}}
spec: {nodeName: n1}
status: {podIPs: [{ip: 10.1.0.1}]}
";

#[test]
fn every_kind_is_read_with_its_line() {
    assert_eq!(problems(ALL), [""; 0]);
    assert_eq!(ids(ALL), ["Namespace media", "Node n1", "Uplink wan", "TrafficTier bulk-seed", "Pod media/seed"]);
    let lines: Vec<u32> = read(ALL).iter().map(|entry| entry.line).collect();
    assert_eq!(lines, [2, 8, 12, 17, 22]);
}

#[test]
fn a_list_holds_objects_with_their_own_lines() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Node\n  metadata: {name: n1}\n- apiVersion: v1\n  kind: Node\n  metadata: {nam: n2}\n- 5\n";
    assert_eq!(ids(text), ["Node n1"]);
    let wrong = problems(text);
    assert_eq!(wrong.len(), 3, "{wrong:#?}");
    assert!(wrong[0].starts_with("9: UnknownField: metadata.nam: "), "{}", wrong[0]);
    assert!(wrong[1].starts_with("9: Invalid: metadata.name: "), "{}", wrong[1]);
    assert!(wrong[2].starts_with("10: Malformed: this is no object"), "{}", wrong[2]);
}

#[test]
fn what_is_wrong_is_named_with_the_line_of_its_key() {
    let with = |spec: &str| format!("---\n# a comment\n{UPLINK}{spec}");
    let table = [
        ("  headroom: 90%\n", "8: Invalid: spec.headroom: "),
        ("  exempt:\n  - 10.0.0.0/8\n  - 10.0.0.1/8\n", "10: Invalid: spec.exempt[1]: "),
        ("  exempt: 10.0.0.0/8\n", "8: Invalid: spec.exempt: invalid type: string"),
        ("  headroon: 3%\n", "8: UnknownField: spec.headroon: there is no such field"),
        ("  interface:\n    nam: eth0\n", "9: UnknownField: spec.interface.nam: "),
        (
            "  interface:\n    nodeSelector: {matchLabel: {a: b}}\n",
            "9: UnknownField: spec.interface.nodeSelector.matchLabel: ",
        ),
        ("  scope: Galaxy\n", "8: Invalid: spec.scope: unknown variant `Galaxy`, expected `Node` or `Cluster`"),
        ("  scope: Cluster\n", "8: Invalid: spec.scope: Cluster is not supported yet"),
        ("spce: {}\n", "8: UnknownField: spce: "),
    ];
    for (spec, expected) in table {
        let wrong = problems(&with(spec));
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        assert!(wrong[0].starts_with(expected), "{} is not {expected}", wrong[0]);
        assert_eq!(ids(&with(spec)), [""; 0]);
        let id = read(&with(spec))[0].id.clone().map(|id| id.to_string());
        assert_eq!(id.as_deref(), Some("Uplink wan"));
    }
    assert_eq!(problems(&with("")), [""; 0]);
}

#[test]
fn a_missing_field_is_told_where_it_should_be() {
    let table = [
        (
            "apiVersion: weir.dev/v1alpha1\nkind: Uplink\nmetadata: {name: wan}\nspec: {}\n",
            "4: Invalid: spec: missing field `capacity`",
        ),
        ("apiVersion: weir.dev/v1alpha1\nkind: Uplink\nmetadata: {name: wan}\n", "1: Invalid: missing field `spec`"),
        ("apiVersion: v1\nkind: Node\nmetadata:\n  labels: {}\n", "3: Invalid: metadata.name: the object has no name"),
        ("kind: Node\nmetadata: {name: a}\n", "1: Invalid: the object has no apiVersion; write v1"),
        (
            "apiVersion: v2\nkind: Node\nmetadata: {name: a}\n",
            "1: Invalid: apiVersion: \"v2\" is not that of Node; write v1",
        ),
        ("apiVersion: v1\nmetadata: {name: a}\n", "1: Malformed: the object has no kind"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
            "2: UnknownKind: \"Service\" is no kind that is read from files; there are Uplink, TrafficTier, Pod, Namespace, Node and List",
        ),
        ("- a\n", "1: Malformed: this is no object"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {n: 5}}\n",
            "3: Invalid: metadata.labels.n: invalid type: integer `5`, expected a string",
        ),
    ];
    for (text, expected) in table {
        let wrong = problems(text);
        assert!(wrong.len() == 1 && wrong[0].starts_with(expected), "{wrong:#?} is not {expected}");
    }
}

#[test]
fn a_broken_document_does_not_take_the_others_down() {
    let table = [
        ("a: [1\n", 7),
        ("a: 'x\n", 8),
        ("a: 1\na: 2\n", 8),
        ("a: b: c\n", 7),
        ("a:\n  b: 1\n c: 2\n", 9),
        ("a: *nowhere\n", 7),
        ("a: \u{1}\n", 7),
    ];
    for (broken, line) in table {
        let text = format!("{UPLINK}---\n{broken}---\napiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\n");
        assert_eq!(ids(&text), ["Uplink wan", "Node n1"], "{broken:?}");
        let wrong = problems(&text);
        assert_eq!(wrong.len(), 1, "{wrong:#?}");
        let (found, message) = wrong[0].split_once(": ").unwrap();
        assert!(message.starts_with("Malformed: "), "{message}");
        let found: u32 = found.parse().unwrap();
        assert_eq!(found, line, "{broken:?}: {message}");
        assert!(!message.contains("at line") && !message.contains("Options"), "{message}");
    }
}

#[test]
fn an_unknown_field_of_a_kubernetes_object_is_told_and_the_object_stands() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    kubernetes.io/egress-bandwidth: fast\nspec:\n  nodeNam: n1\n";
    assert_eq!(ids(text), ["Pod default/a"]);
    let wrong = problems(text);
    assert!(wrong[0].starts_with("8: UnknownField: spec.nodeNam: "), "{wrong:#?}");
    assert!(
        wrong[1].starts_with("6: Invalid: metadata.annotations[\"kubernetes.io/egress-bandwidth\"]: "),
        "{wrong:#?}"
    );
    assert_eq!(wrong.len(), 2);
}

#[test]
fn nothing_is_nothing() {
    for text in ["", "\n\n", "# only a comment\n", "---\n---\n", "---\n# c\n...\n"] {
        assert!(read(text).is_empty(), "{text:?}: {:?}", read(text));
    }
}

#[test]
fn anchors_and_json_are_yaml_too() {
    let text = "apiVersion: v1\nkind: List\nx: &l {team: media}\nitems:\n- {apiVersion: v1, kind: Node, metadata: {name: a, labels: *l}}\n";
    assert_eq!(ids(text), ["Node a"]);
    assert_eq!(ids(r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}"#), ["Node a"]);
}
