//! The ladder as data: a rung more is a line more.

/// One rung: what it is called, what it says about Weir, and where it runs.
pub struct Rung {
    /// The name for `--rung`.
    pub name: &'static str,
    /// What a green rung means.
    pub says: &'static str,
    /// Which tests these are, and where they run.
    pub place: Where,
    /// The reason why only `--all` and `--rung` run it, for example in a nightly build; none for rungs that always run.
    pub nightly: Option<&'static str>,
}

/// Where a rung's tests run, and the integration test programs that hold them.
pub enum Where {
    /// On the host, as anybody: what stands beside the code.
    Units,
    /// On the host, as anybody.
    Host(&'static [&'static str]),
    /// On the host where it is root and its kernel will do, else in the VM.
    HostOrVm(&'static [&'static str]),
    /// Likewise, with an etcd, an API server and a kubectl at hand.
    HostOrVmWithControlPlane(&'static [&'static str]),
    /// In the VM, under each kernel.
    Vm {
        /// The test programs.
        tests: &'static [&'static str],
        /// Modules of tests that stand on nothing in which the kernels differ, so that one is enough for every change.
        alike: &'static [&'static str],
        /// Those that only a run of the rung by its name, or of all, has.
        nightly: &'static [&'static str],
    },
    /// In a VM that can be a Kubernetes cluster, under the newest kernel.
    Node {
        /// The test programs.
        tests: &'static [&'static str],
        /// As above.
        nightly: &'static [&'static str],
    },
    /// Likewise, with Cilium on the node's disk, and each test in a VM of its own.
    NodeWithCilium(&'static [&'static str]),
}

impl Where {
    /// Returns the modules of tests that only a run of the rung by its name, or of all, has.
    pub fn nightly(&self) -> &'static [&'static str] {
        match self {
            Self::Vm { nightly, .. } | Self::Node { nightly, .. } => nightly,
            Self::Units
            | Self::Host(_)
            | Self::HostOrVm(_)
            | Self::HostOrVmWithControlPlane(_)
            | Self::NodeWithCilium(_) => &[],
        }
    }
}

/// From the quickest to the slowest.
pub const RUNGS: &[Rung] = &[
    Rung {
        name: "unit",
        says: "the pure core, packet sums, ABI round trips, properties",
        place: Where::Units,
        nightly: None,
    },
    Rung {
        name: "fuzz",
        says: "every parser of outside bytes stands its corpus",
        place: Where::Host(&["replay"]),
        nightly: None,
    },
    Rung {
        name: "load",
        says: "every program loads, verifies and does right by crafted packets",
        place: Where::HostOrVm(&["net", "programs"]),
        nightly: None,
    },
    Rung {
        name: "api",
        says: "a real API server takes, keeps and serves what Weir lives on",
        place: Where::HostOrVmWithControlPlane(&["api"]),
        nightly: None,
    },
    Rung {
        name: "kernel",
        says: "shaping, accounting and the life cycle on real traffic",
        place: Where::Vm {
            tests: &["kernel"],
            alike: &[
                "bursts::",
                "ceilings::",
                "degraded::",
                "failures::",
                "lab::",
                "marking::",
                "objects::",
                "sharing::",
            ],
            // Two and a half minutes on emulated processors, for the lab's 250 namespaces alone.
            nightly: &["scale::"],
        },
        nightly: None,
    },
    Rung {
        name: "e2e",
        says: "Weir as a DaemonSet on a Kubernetes node, from its image to its end",
        // Node programs that restart while the kernel goes on: of what the kernel rung has too, the slowest.
        place: Where::Node { tests: &["e2e"], nightly: &["restarts::"] },
        nightly: None,
    },
    Rung {
        name: "cilium",
        says: "Weir beside Cilium, with and without kube-proxy and Cilium's bandwidth manager",
        place: Where::NodeWithCilium(&["cilium"]),
        nightly: Some("nightly: it boots four Kubernetes nodes with Cilium, half an hour on emulated processors"),
    },
];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{RUNGS, Where};
    use crate::{paths, process};

    fn programs(place: &Where) -> &'static [&'static str] {
        match place {
            Where::Units => &[],
            Where::Host(tests)
            | Where::HostOrVm(tests)
            | Where::HostOrVmWithControlPlane(tests)
            | Where::Vm { tests, .. }
            | Where::Node { tests, .. }
            | Where::NodeWithCilium(tests) => tests,
        }
    }

    #[test]
    fn every_test_program_has_its_rung() {
        let mut cargo = process::cargo("metadata");
        cargo.current_dir(paths::workspace()).args(["--no-deps", "--offline", "--format-version", "1"]);
        let metadata: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let targets = list(&metadata["packages"]).into_iter().flat_map(|package| list(&package["targets"]));
        let tests = targets.filter(|target| target["kind"] == json!(["test"]));
        let mut there: Vec<String> = tests.map(|target| target["name"].as_str().unwrap().to_owned()).collect();
        let mut run: Vec<&str> = RUNGS.iter().flat_map(|rung| programs(&rung.place)).copied().collect();
        there.sort_unstable();
        run.sort_unstable();
        assert_eq!(there, run, "a test program has one rung, and its name is its own");
    }
}
