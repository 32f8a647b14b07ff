//! Who a slot or id belongs to, in 16 bytes.

use sha2::{Digest, Sha256};
use weir_common::config::Owner;

use crate::model::PodKey;

/// Owner of an uplink id.
#[must_use]
pub fn uplink_owner(name: &str) -> Owner {
    digest(&["uplink", name])
}

/// Owner of a tier id.
#[must_use]
pub fn tier_owner(name: &str) -> Owner {
    digest(&["tier", name])
}

/// Owner of a slot. A pod that is made anew under the same name has another UID, and so gets other counters.
#[must_use]
pub fn pod_owner(key: &PodKey, uid: &str) -> Owner {
    digest(&["pod", &key.namespace, &key.name, uid])
}

fn digest(parts: &[&str]) -> Owner {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut owner = Owner::default();
    owner.copy_from_slice(&hash.finalize()[..size_of::<Owner>()]);
    owner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_differ_in_every_part() {
        let key = |namespace: &str, name: &str| PodKey { namespace: namespace.into(), name: name.into() };
        let owners = [
            uplink_owner("a"),
            tier_owner("a"),
            pod_owner(&key("a", "b"), ""),
            pod_owner(&key("a", "b"), "1"),
            pod_owner(&key("ab", ""), "1"),
            pod_owner(&key("", "ab"), "1"),
        ];
        for (index, owner) in owners.iter().enumerate() {
            assert!(!owners[index + 1..].contains(owner));
            assert_ne!(*owner, Owner::default());
        }
    }
}
