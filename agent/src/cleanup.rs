//! `weir cleanup`: takes everything of Weir out of the node.

use std::path::Path;

use weir_cli::cleanup::{Action, Outcome};

use crate::{
    datapath::remove::{self, Removed},
    net::{
        Netlink,
        qdisc::{Recorded, Restored},
    },
    state::{Lock, RecordedQdisc, StateFolder},
};

/// Detaches the programs, removes the pins, and puts back the qdiscs that stood there before.
///
/// Fails without a change while an agent runs: it would put everything back.
pub async fn clean(bpffs: &Path, state_dir: &Path) -> anyhow::Result<Vec<Action>> {
    let state = StateFolder::open(state_dir)?;
    let lock = Lock::take(&state)?;
    let netlink = Netlink::open()?;
    let names = netlink.observe().await?.names();
    let Removed { mut actions, filtered } = remove::remove(bpffs, &names);
    for ifindex in filtered {
        let outcome = match netlink.remove_idle_clsact(ifindex).await {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Skipped("filters of others stand on it".to_owned()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        actions.push(action("remove clsact", &names[&ifindex], outcome));
    }

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
    if recorded.0.is_empty() {
        state.forget_qdiscs()?;
    } else {
        state.save_qdiscs(&recorded)?;
    }
    drop(lock);
    Ok(actions)
}

fn action(what: &str, target: &str, outcome: Outcome) -> Action {
    Action { what: what.to_owned(), target: target.to_owned(), outcome }
}
