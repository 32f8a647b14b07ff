//! Keeps effects out of macros that may not evaluate their arguments.
//!
//! Tracing's macros evaluate their arguments only where the level is on, and `debug_assert!` only in debug builds. An
//! `.await` or a change of state in one of them therefore happens or not as the log filter says. The sources are read
//! as tokens, not as a syntax tree, because most of these macros stand inside other macros (`select!`), whose
//! contents no parser of Rust sees.

use std::{
    fs,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

use crate::paths;

/// Macros whose arguments may not be evaluated.
const MACROS: [&str; 14] = [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
];

/// Methods that change what they are called on, or somebody else's state.
const METHODS: [&str; 32] = [
    "abort",
    "append",
    "cancel",
    "clear",
    "drain",
    "extend",
    "fetch_add",
    "fetch_sub",
    "get_or_insert",
    "get_or_insert_with",
    "insert",
    "next",
    "pop",
    "pop_front",
    "push",
    "push_back",
    "push_str",
    "recv",
    "remove",
    "replace",
    "retain",
    "send",
    "send_modify",
    "send_replace",
    "set",
    "spawn",
    "store",
    "swap",
    "take",
    "truncate",
    "try_recv",
    "write_all",
];

/// Compound assignments.
const ASSIGNMENTS: [&str; 10] = ["+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "<<=", ">>="];

/// An effect inside one of the macros: its line, the macro and the effect.
type Found = (usize, String, String);

/// Finds the macros in `tokens` and the effects in their arguments.
fn in_source(tokens: TokenStream, found: &mut Vec<Found>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, tree) in trees.iter().enumerate() {
        let TokenTree::Group(group) = tree else { continue };
        match called(&trees[..index]).filter(|name| MACROS.contains(&name.as_str())) {
            Some(name) => in_arguments(&group.stream(), true, &name, found),
            None => in_source(group.stream(), found),
        }
    }
}

/// Returns the name of the macro whose arguments follow `before`.
fn called(before: &[TokenTree]) -> Option<String> {
    match before {
        [.., TokenTree::Ident(name), TokenTree::Punct(bang)] if bang.as_char() == '!' => Some(name.to_string()),
        _ => None,
    }
}

/// Finds the effects in the arguments of the macro `name`. Only `at_top` does `field = value` name a value.
fn in_arguments(tokens: &TokenStream, at_top: bool, name: &str, found: &mut Vec<Found>) {
    let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let mut binds = false;
    for (index, tree) in trees.iter().enumerate() {
        let mut note = |effect: String| found.push((tree.span().start().line, name.to_owned(), effect));
        match tree {
            TokenTree::Group(group) => {
                let is_macro = called(&trees[..index]).is_some();
                in_arguments(&group.stream(), is_macro, name, found);
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                binds |= word == "let";
                let (before, after) = (trees[..index].last(), trees.get(index + 1));
                let is_method = is(before, '.') && (is_parenthesis(after) || is(after, ':'));
                if word == "await" || is_method && METHODS.contains(&word.as_str()) {
                    note(format!(".{word}"));
                } else if word == "mut" && is(before, '&') {
                    note("&mut".to_owned());
                }
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => binds = false,
            TokenTree::Punct(mark) if mark.as_char() == '?' => {
                // At the beginning of a field it asks for the `Debug` form; behind a value it returns.
                let before = trees[..index].last();
                if matches!(before, Some(TokenTree::Ident(_) | TokenTree::Group(_) | TokenTree::Literal(_))) {
                    note("?".to_owned());
                }
            }
            TokenTree::Punct(_) if !continues(&trees[..index]) => {
                let operator = operator(&trees[index..]);
                if ASSIGNMENTS.contains(&operator.as_str()) || operator == "=" && !at_top && !binds {
                    note(operator);
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn is(tree: Option<&TokenTree>, mark: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

fn is_parenthesis(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
}

/// Returns whether the next mark belongs to the operator that `before` ends with.
fn continues(before: &[TokenTree]) -> bool {
    matches!(before.last(), Some(TokenTree::Punct(punct)) if punct.spacing() == Spacing::Joint)
}

/// Returns the operator that `trees` begins with.
fn operator(trees: &[TokenTree]) -> String {
    let mut operator = String::new();
    for tree in trees {
        let TokenTree::Punct(mark) = tree else { break };
        operator.push(mark.as_char());
        if mark.spacing() == Spacing::Alone {
            break;
        }
    }
    operator
}

/// Returns every Rust source of the workspace.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the workspace can be listed").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn effects(source: &str) -> Vec<Found> {
    let mut found = Vec::new();
    in_source(source.parse().expect("these are Rust's tokens"), &mut found);
    found
}

#[test]
fn no_logging_macro_has_an_effect() {
    let mut files = Vec::new();
    sources(paths::workspace(), &mut files);
    assert!(files.len() > 100, "only {} sources were found", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let source = fs::read_to_string(&file).expect("a source can be read");
        for (line, name, effect) in effects(&source) {
            wrong.push(format!("{}:{line}: `{effect}` inside {name}!", file.display()));
        }
    }
    assert!(
        wrong.is_empty(),
        "these effects do not happen where the level is off; bind their results before the macro:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn effects_are_found_wherever_they_stand() {
    for effect in [
        r#"info!("{}", told.await)"#,
        r#"tokio::select! { _ = a => tracing::warn!(left = queue.pop(), "x") }"#,
        r#"debug!("{}", { self.count += 1; self.count })"#,
        r#"debug!("{}", { self.last = now; 1 })"#,
        r#"error!(name, "{}", names.insert(name))"#,
        r#"error!("{}", sender.send::<u8>(1))"#,
        r#"info!("{}", read(&mut file))"#,
        r#"info!("{}", read(file)?)"#,
        r#"info!("{}", format!("{}", told.await))"#,
        "debug_assert!(seen.insert(key))",
    ] {
        assert_eq!(effects(&format!("fn f() {{ {effect} }}")).len(), 1, "{effect}");
    }
}

#[test]
fn what_only_reads_is_left_alone() {
    for harmless in [
        r#"info!(signal, "stopping")"#,
        r#"warn!(file = %path.display(), %error, ?change, left = all - applied, "{name}: {}", kind.name())"#,
        r#"warn!(same = a == b, fewer = a <= b, other = a != b, "x")"#,
        r#"debug!(why = match x { A => 1, _ => 2 }, text = format!("{x}", x = 1), "x")"#,
        r#"debug!("{}", { let x = 1; x })"#,
        "debug_assert_eq!(family.labels.len(), labels.len(), \"labels of {}\", family.name)",
        "names.insert(name); let x = told.await; x += 1",
    ] {
        assert_eq!(effects(&format!("fn f() {{ {harmless} }}")), [], "{harmless}");
    }
}
