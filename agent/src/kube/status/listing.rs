//! All objects of a kind, as a watch tells them.

use std::collections::BTreeMap;

use kube::runtime::watcher::Event;

/// Objects by name; none until the first list is complete. A new list takes the place of the old one when it is complete.
#[derive(Debug)]
pub(super) struct Listing<T> {
    objects: Option<BTreeMap<String, T>>,
    coming: BTreeMap<String, T>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { objects: None, coming: BTreeMap::new() }
    }
}

impl<T> Listing<T> {
    pub(super) fn hear(&mut self, event: Event<(String, T)>) {
        match event {
            Event::Init => self.coming.clear(),
            Event::InitApply((name, object)) => drop(self.coming.insert(name, object)),
            Event::InitDone => self.objects = Some(std::mem::take(&mut self.coming)),
            Event::Apply((name, object)) => {
                self.objects.get_or_insert_default().insert(name, object);
            }
            Event::Delete((name, _)) => {
                self.objects.get_or_insert_default().remove(&name);
            }
        }
    }

    /// The object of a name as it was known last, also while a new list is coming.
    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.objects.as_ref()?.get(name)
    }

    pub(super) fn objects(&self) -> Option<&BTreeMap<String, T>> {
        self.objects.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_counts_once_it_is_complete() {
        let mut listing = Listing::default();
        let named = |name: &str| (name.to_owned(), ());
        listing.hear(Event::Init);
        listing.hear(Event::InitApply(named("a")));
        assert!(listing.objects().is_none());
        listing.hear(Event::InitDone);
        listing.hear(Event::Apply(named("b")));
        listing.hear(Event::Delete(named("a")));
        let told = |listing: &Listing<()>| listing.objects().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(told(&listing), ["b"]);
        listing.hear(Event::Init);
        listing.hear(Event::InitApply(named("c")));
        assert_eq!(told(&listing), ["b"], "the new list is not complete");
        listing.hear(Event::InitDone);
        assert_eq!(told(&listing), ["c"]);
    }
}
