//! `weir cleanup`: takes everything of Weir out of the node.

use std::{collections::BTreeSet, path::Path};

use weir_cli::cleanup::{Action, Outcome};
use weir_core::host::SPLITTER;

use crate::{
    datapath::{InterfaceNames, probe, remove},
    net::{
        Netlink,
        qdisc::{Recorded, Restored},
    },
    state::{Lock, RecordedQdisc, StateFolder},
};

/// Detaches the programs, removes the pins, and puts back the qdiscs that stood there before.
///
/// Only what is known to be Weir's is taken away: pins, filters with its handles, clsact qdiscs that it recorded, and root
/// qdiscs with its handle. Fails without a change while an agent runs, which would put everything back, and where `bpffs`
/// is no BPF file system.
pub async fn clean(bpffs: &Path, state_dir: &Path) -> anyhow::Result<Vec<Action>> {
    let state = StateFolder::open(state_dir)?;
    let lock = Lock::take(&state)?;
    // An agent may have kept its pins elsewhere: then its programs are still attached, and what they need stays.
    probe::require_bpffs(bpffs)?;
    let netlink = Netlink::open()?;
    let names = netlink.observe().await?.names();
    let mut actions = remove::remove(bpffs, &names);
    if !probe::has_tcx() {
        remove_filters(&netlink, &names, &mut actions).await?;
    }
    remove_clsacts(&netlink, &state, &names, &mut actions).await?;
    restore_qdiscs(&netlink, &state, &names, &mut actions).await?;
    remove_splitter(&netlink, &mut actions).await;
    drop(lock);
    Ok(actions)
}

/// Removes Weir's filters from every interface that has any.
async fn remove_filters(netlink: &Netlink, names: &InterfaceNames, actions: &mut Vec<Action>) -> anyhow::Result<()> {
    let with_hooks: BTreeSet<u32> = netlink.bases().await?.into_keys().collect();
    for (ifindex, name) in names.iter().filter(|(ifindex, _)| with_hooks.contains(ifindex)) {
        let outcome = match netlink.remove_filters(*ifindex).await {
            Ok(0) => continue,
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        actions.push(action("detach programs", name, outcome));
    }
    Ok(())
}

/// Removes the clsact qdiscs that Weir made, where nothing of others stands on them.
async fn remove_clsacts(
    netlink: &Netlink,
    state: &StateFolder,
    names: &InterfaceNames,
    actions: &mut Vec<Action>,
) -> anyhow::Result<()> {
    let mut recorded = state.hooks()?;
    for (ifindex, hook) in std::mem::take(&mut recorded.0) {
        if names.get(&ifindex) != Some(&hook.name) {
            // The interface is gone, and its qdiscs with it.
            continue;
        }
        let outcome = match netlink.remove_idle_clsact(ifindex, hook.had_ingress).await {
            Ok(true) if hook.had_ingress => {
                Outcome::Skipped("the ingress qdisc is back without its filters: set them up again".to_owned())
            }
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Skipped("filters of others stand on it, or it is gone".to_owned()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        actions.push(action("remove clsact", &hook.name, outcome.clone()));
        if matches!(outcome, Outcome::Failed(_)) {
            recorded.0.insert(ifindex, hook);
        }
    }
    if recorded.0.is_empty() { state.forget_hooks() } else { state.save_hooks(&recorded) }
}

/// Puts back the root qdiscs that stood on the uplinks' interfaces.
async fn restore_qdiscs(
    netlink: &Netlink,
    state: &StateFolder,
    names: &InterfaceNames,
    actions: &mut Vec<Action>,
) -> anyhow::Result<()> {
    let mut recorded = state.qdiscs()?;
    let mut before = std::mem::take(&mut recorded.0);
    for (ifindex, root) in netlink.root_qdiscs().await? {
        // A qdisc of ours whose record was lost.
        if root.is_ours() {
            let name = names.get(&ifindex).cloned().unwrap_or_else(|| format!("interface {ifindex}"));
            before.entry(ifindex).or_insert(RecordedQdisc { name, before: Recorded::KernelDefault });
        }
    }
    for (ifindex, entry) in before {
        let outcome = match netlink.restore_qdisc(ifindex, entry.before.clone()).await {
            Ok(Restored::Done) => Outcome::Done,
            Ok(Restored::WithoutFilters) => {
                Outcome::Skipped("its filters were not recorded: set them up again".to_owned())
            }
            Ok(Restored::NotOurs) => Outcome::Skipped("the interface is gone, or somebody replaced ours".to_owned()),
            Err(error) => {
                let name = entry.name.clone();
                recorded.0.insert(ifindex, entry);
                actions.push(action("restore qdisc", &name, Outcome::Failed(error.to_string())));
                continue;
            }
        };
        actions.push(action("restore qdisc", &entry.name, outcome));
    }
    if recorded.0.is_empty() { state.forget_qdiscs() } else { state.save_qdiscs(&recorded) }
}

/// Removes Weir's own veth.
async fn remove_splitter(netlink: &Netlink, actions: &mut Vec<Action>) {
    let outcome = match netlink.remove_splitter().await {
        Ok(false) => return,
        Ok(true) => Outcome::Done,
        Err(error) => Outcome::Failed(error.to_string()),
    };
    let [bursts, _] = SPLITTER;
    actions.push(action("remove veth", bursts, outcome));
}

fn action(what: &str, target: &str, outcome: Outcome) -> Action {
    Action { what: what.to_owned(), target: target.to_owned(), outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn where_no_bpf_file_system_is_nothing_is_said_to_be_gone() {
        let folder = tempfile::tempdir().unwrap();
        for bpffs in [folder.path().to_owned(), folder.path().join("missing")] {
            let error = clean(&bpffs, &folder.path().join("state")).await.unwrap_err().to_string();
            assert!(error.contains(&format!("{} is no BPF file system", bpffs.display())), "{error}");
        }
    }
}
