//! Attribution of changes to objects: a failed change degrades the status of the objects that depend on it, and of no
//! others.

use weir_common::reason::Program;

use super::{Change, only_counts};
use crate::{
    kernel::{Kind, Rendered},
    model::ObjectRef,
};

/// Returns the objects that `change` brings to what `rendered` says. None where they are gone: what is left of them in the
/// kernel belongs to nobody.
#[must_use]
pub fn concerned(change: &Change, rendered: &Rendered) -> Vec<ObjectRef> {
    match change {
        Change::Attach(_, Program::BridgeRx | Program::BridgeTx | Program::SplitRx) => {
            rendered.ids.uplinks.keys().map(|name| ObjectRef::uplink(name)).collect()
        }
        _ => one(change, rendered).into_iter().collect(),
    }
}

fn one(change: &Change, rendered: &Rendered) -> Option<ObjectRef> {
    let id = |kind: Kind, id: u16| object(rendered, kind, id);
    match *change {
        Change::Reset(kind, number) => id(kind, number),
        Change::PutUplink(number, _)
        | Change::AddExempt(number, _)
        | Change::RemoveExempt(number, _)
        | Change::RemoveUplink(number) => id(Kind::Uplink, number),
        Change::PutTier(number, _) | Change::RemoveTier(number) => id(Kind::Tier, number),
        Change::PutPod(slot, _)
        | Change::PutCgroup(_, slot)
        | Change::PutAddress(_, slot)
        | Change::RemovePod(slot) => id(Kind::Pod, slot),
        Change::Attach(ifindex, Program::PodTx | Program::PodRx)
        | Change::Detach(ifindex, Program::PodTx | Program::PodRx) => on_interface(rendered, ifindex, Kind::Pod),
        Change::Attach(ifindex, Program::UplinkTx) | Change::Detach(ifindex, Program::UplinkTx) => {
            on_interface(rendered, ifindex, Kind::Uplink)
        }
        Change::PutPort(_, ifindex) => on_interface(rendered, ifindex, Kind::Uplink),
        Change::Attach(_, Program::BridgeRx | Program::BridgeTx | Program::SplitRx)
        | Change::Detach(_, Program::BridgeRx | Program::BridgeTx | Program::SplitRx)
        | Change::RemoveCgroup(_)
        | Change::RemoveAddress(_)
        | Change::RemovePort(_) => None,
        Change::PutInterface(ifindex, _) | Change::RemoveInterface(ifindex) => {
            on_interface(rendered, ifindex, Kind::Uplink).or_else(|| on_interface(rendered, ifindex, Kind::Pod))
        }
    }
}

/// Returns whether the limits of the object depend on `change`. Without the others they hold, and something else is
/// missing: an exemption, a counter, or the end of something old.
#[must_use]
pub fn is_vital(change: &Change, rendered: &Rendered) -> bool {
    match change {
        Change::Reset(..)
        | Change::PutPort(..)
        | Change::PutUplink(..)
        | Change::PutTier(..)
        | Change::PutPod(..)
        | Change::PutInterface(..)
        | Change::PutCgroup(..)
        | Change::PutAddress(..) => true,
        // Without `SplitRx`, bursts leave as they are.
        Change::Attach(_, program) if *program != Program::SplitRx => !only_counts(change, &rendered.state),
        Change::Attach(..)
        | Change::AddExempt(..)
        | Change::Detach(..)
        | Change::RemoveInterface(_)
        | Change::RemoveCgroup(_)
        | Change::RemoveAddress(_)
        | Change::RemovePod(_)
        | Change::RemoveTier(_)
        | Change::RemoveExempt(..)
        | Change::RemoveUplink(_)
        | Change::RemovePort(_) => false,
    }
}

fn on_interface(rendered: &Rendered, ifindex: u32, kind: Kind) -> Option<ObjectRef> {
    let interface = rendered.state.interfaces.get(&ifindex)?;
    object(rendered, kind, if kind == Kind::Uplink { interface.uplink } else { interface.slot })
}

fn object(rendered: &Rendered, kind: Kind, wanted: u16) -> Option<ObjectRef> {
    let ids = &rendered.ids;
    let (kind, name) = match kind {
        Kind::Uplink => ("Uplink", ids.uplinks.iter().find(|(_, id)| **id == wanted)?.0.clone()),
        Kind::Tier => ("TrafficTier", ids.tiers.iter().find(|(_, id)| **id == wanted)?.0.clone()),
        Kind::Pod => ("Pod", ids.pods.iter().find(|(_, id)| **id == wanted)?.0.to_string()),
    };
    Some(ObjectRef { kind: kind.to_owned(), name })
}

#[cfg(test)]
mod tests {
    use weir_common::config::InterfaceConfig;

    use super::*;
    use crate::model::PodKey;

    #[test]
    fn a_change_is_of_one_object() {
        let mut rendered = Rendered::default();
        rendered.ids.uplinks.insert("wan".to_owned(), 1);
        rendered.ids.tiers.insert("bulk".to_owned(), 1);
        rendered.ids.pods.insert(PodKey { namespace: "media".to_owned(), name: "seed".to_owned() }, 1);
        rendered.state.interfaces.insert(2, InterfaceConfig { uplink: 1, ..InterfaceConfig::default() });
        rendered.state.interfaces.insert(7, InterfaceConfig { slot: 1, ..InterfaceConfig::default() });
        let network = "10.0.0.0/8".parse().unwrap();
        let pod = "Pod media/seed";
        for (change, wanted) in [
            (Change::Reset(Kind::Tier, 1), "TrafficTier bulk"),
            (Change::AddExempt(1, network), "Uplink wan"),
            (Change::Attach(2, Program::UplinkTx), "Uplink wan"),
            (Change::PutInterface(2, InterfaceConfig::default()), "Uplink wan"),
            (Change::PutInterface(7, InterfaceConfig::default()), pod),
            (Change::Attach(7, Program::PodTx), pod),
            (Change::PutCgroup(9, 1), pod),
        ] {
            let named: Vec<String> = concerned(&change, &rendered).iter().map(ToString::to_string).collect();
            assert_eq!(named, [wanted], "{change:?}");
        }
        rendered.ids.uplinks.insert("backup".to_owned(), 2);
        for program in [Program::BridgeRx, Program::BridgeTx, Program::SplitRx] {
            let change = Change::Attach(5, program);
            assert_eq!(concerned(&change, &rendered).len(), 2);
            assert_eq!(is_vital(&change, &rendered), program != Program::SplitRx);
        }
        assert!(is_vital(&Change::Attach(2, Program::UplinkTx), &rendered));
        assert!(!is_vital(&Change::Attach(7, Program::PodRx), &rendered));
        assert!(!is_vital(&Change::AddExempt(1, network), &rendered));
        for gone in [Change::RemoveTier(5), Change::RemoveCgroup(9), Change::RemoveInterface(3)] {
            assert_eq!(concerned(&gone, &rendered), [], "{gone:?}");
        }
    }
}
