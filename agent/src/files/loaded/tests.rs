use weir_core::model::PodKey;

use super::*;

/// The files of a folder and what was read of them, step by step.
#[derive(Default)]
struct Folder {
    contents: BTreeMap<String, Content>,
    loaded: Loaded,
}

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let mut folder = Self::default();
        for (name, text) in files {
            folder.contents.insert((*name).to_owned(), Content::Text((*text).into()));
        }
        folder.look();
        folder
    }

    fn look(&mut self) {
        self.loaded = read(&self.contents, &self.loaded);
    }

    fn put(&mut self, name: &str, content: Content) {
        self.contents.insert(name.to_owned(), content);
        self.look();
    }

    fn write(&mut self, name: &str, text: &str) {
        self.put(name, Content::Text(text.into()));
    }

    fn remove(&mut self, name: &str) {
        self.contents.remove(name);
        self.look();
    }

    /// `file:line reason` of every rejection.
    fn wrong(&self) -> Vec<String> {
        let place = |rejection: &Rejection| rejection.location.as_ref().map(ToString::to_string).unwrap_or_default();
        self.loaded.rejections.iter().map(|rejection| format!("{} {}", place(rejection), rejection.reason)).collect()
    }

    fn nodes(&self) -> Vec<&str> {
        self.loaded.world.nodes.keys().map(String::as_str).collect()
    }

    fn capacity(&self) -> Option<u64> {
        self.loaded.world.uplinks.get("wan").map(|uplink| uplink.capacity)
    }
}

fn uplink(capacity: &str) -> String {
    format!("apiVersion: weir.dev/v1alpha1\nkind: Uplink\nmetadata: {{name: wan}}\nspec:\n  capacity: {capacity}\n")
}

fn node(name: &str) -> String {
    format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n")
}

fn tier(name: &str, guarantee: &str) -> String {
    format!(
        "apiVersion: weir.dev/v1alpha1\nkind: TrafficTier\nmetadata: {{name: {name}}}\nspec: {{uplink: wan, guarantee: {guarantee}}}\n"
    )
}

const NONE: [&str; 0] = [];

#[test]
fn objects_of_all_files_make_one_world() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n";
    let folder = Folder::with(&[("a.yaml", &uplink("20M")), ("b.yaml", &format!("{}---\n{pod}", node("n1")))]);
    assert_eq!(folder.wrong(), NONE);
    assert_eq!((folder.capacity(), folder.nodes()), (Some(20_000_000), vec!["n1"]));
    let pod = &folder.loaded.world.pods[&PodKey { namespace: "default".to_owned(), name: "a".to_owned() }];
    assert_eq!(pod.location, Some(Location { file: "b.yaml".to_owned(), line: 5 }));
}

#[test]
fn a_changed_file_changes_its_objects_and_a_removed_one_takes_them_away() {
    let mut folder = Folder::with(&[("a.yaml", &uplink("20M")), ("b.yaml", &node("n1"))]);
    folder.write("a.yaml", &uplink("30M"));
    assert_eq!(folder.capacity(), Some(30_000_000));
    folder.write("b.yaml", &node("n2"));
    assert_eq!(folder.nodes(), ["n2"]);
    folder.remove("a.yaml");
    assert_eq!((folder.capacity(), folder.wrong()), (None, vec![]));
}

#[test]
fn a_wrong_version_leaves_the_last_good_one_of_that_object_in_force() {
    let mut folder = Folder::with(&[("a.yaml", &format!("{}---\n{}", uplink("20M"), node("n1")))]);
    folder.write("a.yaml", &format!("{}---\n{}", uplink("0"), node("n2")));
    assert_eq!((folder.capacity(), folder.nodes()), (Some(20_000_000), vec!["n2"]));
    assert_eq!(folder.wrong(), ["a.yaml:5 Invalid"]);
    assert!(folder.loaded.rejections[0].message.ends_with("its last good version stays in force"));
    folder.look();
    folder.write("a.yaml", &uplink("fast"));
    assert_eq!((folder.capacity(), folder.nodes()), (Some(20_000_000), vec![]), "over several wrong versions");
    folder.write("a.yaml", &uplink("30M"));
    assert_eq!((folder.capacity(), folder.wrong()), (Some(30_000_000), vec![]));

    let fresh = Folder::with(&[("a.yaml", &uplink("0"))]);
    assert_eq!((fresh.capacity(), fresh.wrong()), (None, vec!["a.yaml:5 Invalid".to_owned()]));
    assert!(!fresh.loaded.rejections[0].message.contains("last good"));
}

#[test]
fn a_wrong_version_in_another_file_does_not_lose_the_object() {
    let mut folder = Folder::with(&[("a.yaml", &uplink("20M"))]);
    folder.contents.remove("a.yaml");
    folder.write("b.yaml", &uplink("0"));
    assert_eq!((folder.capacity(), folder.wrong()), (Some(20_000_000), vec!["b.yaml:5 Invalid".to_owned()]));
}

#[test]
fn a_document_that_is_no_yaml_leaves_all_that_stood_in_its_file() {
    let mut folder = Folder::with(&[("a.yaml", &format!("{}---\n{}", uplink("20M"), node("n1")))]);
    folder.write("a.yaml", &format!("{}---\nkind: [Node\n", uplink("30M")));
    assert_eq!((folder.capacity(), folder.nodes()), (Some(30_000_000), vec!["n1"]));
    assert_eq!(folder.wrong(), ["a.yaml:7 Malformed"]);
    assert!(folder.loaded.rejections[0].message.ends_with("what stood in this file before stays in force"));
    folder.look();
    assert_eq!(folder.nodes(), ["n1"], "and still at the next look");
    folder.write("a.yaml", &uplink("30M"));
    assert_eq!((folder.nodes(), folder.wrong()), (vec![], vec![]));
}

#[test]
fn an_object_that_moved_out_of_a_broken_file_counts_where_it_is_now() {
    let mut folder = Folder::with(&[("a.yaml", &format!("{}---\n{}", uplink("20M"), node("n1")))]);
    folder.contents.insert("a.yaml".to_owned(), Content::Text("kind: [\n".into()));
    folder.write("b.yaml", &uplink("40M"));
    assert_eq!((folder.capacity(), folder.nodes()), (Some(40_000_000), vec!["n1"]));
    folder.remove("b.yaml");
    assert_eq!(folder.capacity(), None, "the broken file had let go of it");
}

#[test]
fn a_file_that_is_half_written_or_cannot_be_read_takes_nothing_down() {
    let whole = format!("{}---\n{}", node("n1"), uplink("20000000"));
    let cut: Vec<Content> = vec![
        Content::Text("".into()),
        Content::Text("\n \n".into()),
        Content::Text(whole[..whole.len() - 4].into()),
        Content::Text(whole[..20].into()),
        Content::Unreadable("Permission denied".to_owned()),
        Content::Writing,
        Content::Away,
    ];
    for content in cut {
        let mut folder = Folder::with(&[("a.yaml", &whole)]);
        folder.put("a.yaml", content.clone());
        assert_eq!((folder.capacity(), folder.nodes()), (Some(20_000_000), vec!["n1"]), "{content:?}");
        let told = matches!(content, Content::Text(_) | Content::Unreadable(_));
        assert_eq!(folder.loaded.rejections.len(), usize::from(told), "{:?}", folder.wrong());
        folder.look();
        assert_eq!((folder.capacity(), folder.nodes()), (Some(20_000_000), vec!["n1"]), "{content:?}");
        folder.write("a.yaml", &whole);
        assert_eq!(folder.wrong(), NONE);
        folder.remove("a.yaml");
        assert_eq!((folder.capacity(), folder.nodes()), (None, vec![]));
    }
}

#[test]
fn any_beginning_of_a_file_is_safe() {
    let whole = format!("{}---\n{}", node("n1"), uplink("20000000"));
    for end in 0..whole.len() {
        let text = &whole[..end];
        let mut folder = Folder::with(&[("a.yaml", &whole)]);
        folder.write("a.yaml", text);
        // At the end of a line that could be all there is, it is all there is; otherwise the old stays.
        assert!(text.ends_with('\n') || folder.capacity() == Some(20_000_000), "{text:?}");
        assert!(text.ends_with('\n') || !folder.loaded.rejections.is_empty(), "{text:?}");
    }
}

#[test]
fn a_file_may_be_emptied_on_purpose() {
    let mut folder = Folder::with(&[("a.yaml", &node("n1"))]);
    folder.write("a.yaml", "# nothing for now\n");
    assert_eq!((folder.nodes(), folder.wrong()), (vec![], vec![]));
    let empty = Folder::with(&[("a.yaml", "")]);
    assert_eq!(empty.wrong(), NONE);
}

#[test]
fn of_two_files_with_one_object_the_first_by_name_counts() {
    let mut folder = Folder::with(&[("b.yaml", &uplink("20M")), ("a.yaml", &format!("\n{}", uplink("30M")))]);
    assert_eq!((folder.capacity(), folder.wrong()), (Some(30_000_000), vec!["b.yaml:1 Duplicate".to_owned()]));
    assert!(folder.loaded.rejections[0].message.starts_with("a.yaml has the same object"));
    folder.write("a.yaml", &uplink("0"));
    assert_eq!(folder.capacity(), Some(30_000_000), "its last good version still counts before the other file's");
    folder.remove("a.yaml");
    assert_eq!((folder.capacity(), folder.wrong()), (Some(20_000_000), vec![]));

    let wrong_first = Folder::with(&[("a.yaml", &uplink("0")), ("b.yaml", &uplink("20M"))]);
    assert_eq!((wrong_first.capacity(), wrong_first.loaded.rejections.len()), (None, 2));

    let twice = Folder::with(&[("a.yaml", &format!("{}---\n{}", uplink("20M"), uplink("30M")))]);
    assert_eq!((twice.capacity(), twice.wrong()), (Some(20_000_000), vec!["a.yaml:7 Duplicate".to_owned()]));
}

#[test]
fn a_file_that_gets_another_name_is_no_duplicate() {
    let mut folder = Folder::with(&[("a.yaml", &uplink("20M"))]);
    folder.contents.insert("b.yaml".to_owned(), folder.contents["a.yaml"].clone());
    folder.put("a.yaml", Content::Away);
    assert_eq!((folder.capacity(), folder.wrong()), (Some(20_000_000), vec![]));
    folder.remove("a.yaml");
    assert_eq!((folder.capacity(), folder.wrong()), (Some(20_000_000), vec![]));
}

#[test]
fn what_contradicts_the_other_objects_is_rejected_where_it_stands() {
    let mut folder = Folder::with(&[("a.yaml", &uplink("20M")), ("b.yaml", &tier("bulk", "10M"))]);
    folder.write("b.yaml", &format!("# more\n{}", tier("bulk", "25M")));
    assert_eq!(folder.wrong(), ["b.yaml:2 GuaranteesOverCapacity"]);
    assert_eq!(folder.loaded.world.tiers["bulk"].guarantee, 10_000_000);
    folder.look();
    assert_eq!(folder.loaded.world.tiers["bulk"].guarantee, 10_000_000);
    folder.write("a.yaml", &uplink("30M"));
    assert_eq!((folder.loaded.world.tiers["bulk"].guarantee, folder.wrong()), (25_000_000, vec![]));
}

#[test]
fn looking_again_changes_nothing() {
    let text = format!("{}---\nkind: [\n---\n{}---\n{}", uplink("20M"), node("n1"), uplink("1"));
    let mut folder = Folder::with(&[("a.yaml", &text), ("b.yaml", &node("n1")), ("c.yaml", "x")]);
    let first = folder.loaded.clone();
    folder.look();
    assert_eq!(folder.loaded, first);
}
