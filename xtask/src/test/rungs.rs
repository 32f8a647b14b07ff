//! The ladder as data: a rung more is a line more.

/// One rung: what it is called, what it says about Weir, and where it runs.
pub struct Rung {
    /// The name for `--rung`.
    pub name: &'static str,
    /// What a green rung means.
    pub says: &'static str,
    /// Which tests these are, and where they run.
    pub place: Where,
}

/// Where a rung's tests run, with the packages that hold them.
pub enum Where {
    /// On the host, as anybody: all packages but those of the other rungs.
    Workspace,
    /// On the host, as anybody.
    Host(&'static str),
    /// On the host where it is root and its kernel will do, else in the VM.
    HostOrVm(&'static str),
    /// Likewise, with an etcd, an API server and a kubectl at hand.
    HostOrVmWithControlPlane(&'static str),
    /// In the VM, under each kernel.
    Vm(&'static str),
    /// In a VM that can be a Kubernetes cluster, under the newest kernel.
    Node(&'static str),
}

/// From the quickest to the slowest.
pub const RUNGS: &[Rung] = &[
    Rung { name: "unit", says: "the pure core, packet sums, ABI round trips, properties", place: Where::Workspace },
    Rung { name: "fuzz", says: "every parser of outside bytes stands its corpus", place: Where::Host("weir-fuzz") },
    Rung {
        name: "load",
        says: "every program loads, verifies and does right by crafted packets",
        place: Where::HostOrVm("weir-load-tests"),
    },
    Rung {
        name: "api",
        says: "a real API server takes, keeps and serves what Weir lives on",
        place: Where::HostOrVmWithControlPlane("weir-api-tests"),
    },
    Rung {
        name: "kernel",
        says: "shaping, accounting and the life cycle on real traffic",
        place: Where::Vm("weir-kernel-tests"),
    },
    Rung {
        name: "e2e",
        says: "Weir as a DaemonSet on a Kubernetes node, from its image to its end",
        place: Where::Node("weir-e2e-tests"),
    },
];

impl Where {
    /// The package that belongs to this rung alone.
    pub fn package(&self) -> Option<&'static str> {
        match self {
            Self::Workspace => None,
            Self::Host(package)
            | Self::HostOrVm(package)
            | Self::HostOrVmWithControlPlane(package)
            | Self::Vm(package)
            | Self::Node(package) => Some(package),
        }
    }
}
