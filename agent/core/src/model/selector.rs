//! Label selectors: which labels they accept.
//!
//! Semantics of `k8s.io/apimachinery/pkg/labels` (`Requirement.Matches`): all requirements must hold, and a key that is
//! not there satisfies `NotIn` and `DoesNotExist`.

use std::fmt;

use super::{Labels, Operator, Requirement, Selector};

impl Selector {
    /// The selector that accepts exactly the objects with the label `key=value`.
    #[must_use]
    pub fn label(key: &str, value: &str) -> Self {
        let operator = Operator::In([value.to_owned()].into());
        Self { requirements: vec![Requirement { key: key.to_owned(), operator }] }
    }

    /// Whether it accepts everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(labels))
    }
}

impl Requirement {
    /// Whether an object with these labels satisfies it.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// As `kubectl get -l` takes it: `app=web,tier notin (a,b),!legacy`; `everything` without requirements.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("everything");
        }
        for (index, requirement) in self.requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list = |values: &std::collections::BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(",");
        match &self.operator {
            Operator::In(values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Operator::In(values) => write!(f, "{key} in ({})", list(values)),
            Operator::NotIn(values) => write!(f, "{key} notin ({})", list(values)),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn selector(key: &str, operator: Operator) -> Selector {
        Selector { requirements: vec![Requirement { key: key.to_owned(), operator }] }
    }

    fn values(values: &[&str]) -> std::collections::BTreeSet<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn every_operator_on_every_kind_of_label_set() {
        let absent = labels(&[("other", "x")]);
        let one = labels(&[("tier", "one")]);
        let three = labels(&[("tier", "three"), ("other", "x")]);
        let empty_value = labels(&[("tier", "")]);
        // (operator, absent, one, three, present with an empty value)
        let table = [
            (Operator::In(values(&["one", "two"])), [false, true, false, false]),
            (Operator::In(values(&[""])), [false, false, false, true]),
            (Operator::NotIn(values(&["one", "two"])), [true, false, true, true]),
            (Operator::NotIn(values(&[""])), [true, true, true, false]),
            (Operator::Exists, [false, true, true, true]),
            (Operator::DoesNotExist, [true, false, false, false]),
        ];
        for (operator, expected) in table {
            let selector = selector("tier", operator);
            let found = [&absent, &one, &three, &empty_value].map(|labels| selector.matches(labels));
            assert_eq!(found, expected, "{selector}");
        }
    }

    #[test]
    fn all_requirements_must_hold_and_none_accepts_everything() {
        let mut both = selector("a", Operator::Exists);
        both.requirements.extend(selector("b", Operator::DoesNotExist).requirements);
        assert!(both.matches(&labels(&[("a", "1")])));
        assert!(!both.matches(&labels(&[("a", "1"), ("b", "2")])));
        assert!(!both.matches(&labels(&[])));
        assert!(Selector::default().matches(&labels(&[])));
        assert!(Selector::default().matches(&labels(&[("a", "1")])));
    }

    #[test]
    fn contradictions_select_nothing() {
        let mut never = Selector::label("a", "1");
        never.requirements.extend(Selector::label("a", "2").requirements);
        assert!(!never.matches(&labels(&[("a", "1")])));
        assert!(!never.matches(&labels(&[("a", "2")])));
    }

    #[test]
    fn it_reads_like_kubectl() {
        let mut all = Selector::label("app", "web");
        all.requirements.extend(selector("tier", Operator::NotIn(values(&["b", "a"]))).requirements);
        all.requirements.extend(selector("legacy", Operator::DoesNotExist).requirements);
        assert_eq!(all.to_string(), "app=web,tier notin (a,b),!legacy");
        assert_eq!(Selector::default().to_string(), "everything");
    }

    fn any_labels() -> impl Strategy<Value = Labels> {
        proptest::collection::btree_map("[a-c]", "[x-z]?", 0..4)
    }

    proptest! {
        #[test]
        fn an_operator_and_its_opposite_split_every_label_set(
            labels in any_labels(), key in "[a-c]", set in proptest::collection::btree_set("[x-z]?", 1..3),
        ) {
            let is_in = selector(&key, Operator::In(set.clone())).matches(&labels);
            let not_in = selector(&key, Operator::NotIn(set)).matches(&labels);
            prop_assert_ne!(is_in, not_in);
            let exists = selector(&key, Operator::Exists).matches(&labels);
            let absent = selector(&key, Operator::DoesNotExist).matches(&labels);
            prop_assert_ne!(exists, absent);
            prop_assert!(!is_in || exists);
        }
    }
}
