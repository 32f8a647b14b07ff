//! Where the documents of a YAML text begin and end.
//!
//! A line that starts with `---` or `...` and a blank or the line's end is a document marker wherever it stands, inside
//! every kind of scalar too (YAML 1.2.2, 9.1.2 and 9.1.4). So one broken document cannot swallow the next.

/// One document of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// Line of the whole text, from 1, that it begins on.
    pub(super) first_line: u32,
    pub(super) text: &'a str,
}

pub(super) fn documents(text: &str) -> Vec<Document<'_>> {
    let mut found = Vec::new();
    let (mut start, mut first_line, mut begun) = (0, 1, false);
    let (mut end, mut line) = (0, 1);
    for content in text.split_inclusive('\n') {
        if begun && is_marker(content, "---") {
            found.push(Document { first_line, text: &text[start..end] });
            (start, first_line, begun) = (end, line, false);
        }
        end += content.len();
        line += 1;
        if begun && is_marker(content, "...") {
            found.push(Document { first_line, text: &text[start..end] });
            (start, first_line, begun) = (end, line, false);
        }
        begun |= !is_prefix(content);
    }
    if begun {
        found.push(Document { first_line, text: &text[start..end] });
    }
    found
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line may stand before a document's own marker: a comment, a directive, or nothing.
fn is_prefix(line: &str) -> bool {
    let line = line.trim_end().trim_start_matches('\u{feff}');
    line.is_empty() || line.trim_start().starts_with('#') || line.starts_with('%') || is_marker(line, "...")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(u32, &str)> {
        documents(text).iter().map(|document| (document.first_line, document.text)).collect()
    }

    #[test]
    fn documents_end_at_markers_and_know_their_first_line() {
        assert_eq!(split("a: 1\n"), [(1, "a: 1\n")]);
        assert_eq!(split("a: 1\n---\nb: 2"), [(1, "a: 1\n"), (2, "---\nb: 2")]);
        assert_eq!(split("---\na: 1\n--- # c\nb: 2\n"), [(1, "---\na: 1\n"), (3, "--- # c\nb: 2\n")]);
        assert_eq!(split("a: 1\r\n---\r\nb: 2\r\n"), [(1, "a: 1\r\n"), (2, "---\r\nb: 2\r\n")]);
        assert_eq!(split("a: 1\n...\nb: 2\n"), [(1, "a: 1\n...\n"), (3, "b: 2\n")]);
        assert_eq!(split("--- {a: 1}\n--- {b: 2}\n"), [(1, "--- {a: 1}\n"), (2, "--- {b: 2}\n")]);
    }

    #[test]
    fn comments_and_directives_belong_to_the_document_that_follows() {
        assert_eq!(split("# why\n%YAML 1.2\n---\na: 1\n"), [(1, "# why\n%YAML 1.2\n---\na: 1\n")]);
        assert_eq!(split("\u{feff}---\na: 1\n"), [(1, "\u{feff}---\na: 1\n")]);
        assert_eq!(split(""), []);
        assert_eq!(split("# nothing\n\n"), []);
    }

    #[test]
    fn only_whole_markers_at_the_start_of_a_line_count() {
        for text in ["a: |\n  ---\n  x\n", "----\n", "---a\n", " ---\na: 1\n", "a: '..'\n....\n"] {
            assert_eq!(split(text).len(), 1, "{text:?}");
        }
        // Even inside a quoted text: it is an error there, and the next document stands.
        assert_eq!(split("a: \"x\n---\nb: 2\n").len(), 2);
    }
}
