//! The stage of every scene: one node, its pods, and who they talk to.

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use weir_lab::traffic::{Call, CallOptions, Iperf, IperfOptions, Server, Web, WebOptions};
use weir_lab::{Bottleneck, Lab, LabOptions, Node, NodeOptions, Pod, PodOptions};

const ECHO_PORT: u16 = 7000;
const WEB_PORT: u16 = 8000;
const FIRST_IPERF_PORT: u16 = 5201;

/// The tier that the seed is labelled with.
pub(super) const TIER: &str = "bulk-seed";
/// What the tier may always use: a tenth of the link.
const GUARANTEE: &str = "2M";
/// The DSCP that marks what Weir shapes: 1 is LE, lower effort (RFC 8622).
pub(super) const LOWER_EFFORT: u8 = 1;
/// The time-of-service byte of the class CS1, which CAKE's diffserv4 takes for background.
pub(super) const BACKGROUND_TOS: u8 = 0x20;

/// A node with three pods (and one for load) behind a scarce uplink, and the servers they use.
pub(super) struct Stage {
    /// A steady UDP stream.
    pub(super) call: Pod,
    /// Short requests.
    pub(super) web: Pod,
    /// Bulk.
    pub(super) seed: Pod,
    /// Interactive load, where a scene wants it.
    pub(super) load: Pod,
    pub(super) node: Node,
    pub(super) link: Bottleneck,
    next_port: AtomicU16,
    _servers: [Server; 2],
    pub(super) lab: Lab,
}

impl Stage {
    /// Builds it, with every object written and the seed labelled or not.
    pub(super) fn build(labelled: bool) -> Result<Self> {
        Self::behind(Bottleneck::default(), labelled)
    }

    /// Likewise, behind any link.
    pub(super) fn behind(link: Bottleneck, labelled: bool) -> Result<Self> {
        let lab = Lab::new(LabOptions { bottleneck: Some(link) })?;
        let node = lab.node(1, NodeOptions::default())?;
        let [call, web, seed, load] = ["call", "web", "seed", "load"].map(|name| node.pod(name, PodOptions::default()));
        let internet = lab.internet();
        let servers =
            [Server::echo(internet.ns(), internet.at(ECHO_PORT))?, Server::web(internet.ns(), internet.at(WEB_PORT))?];
        let next_port = AtomicU16::new(FIRST_IPERF_PORT);
        let stage =
            Self { call: call?, web: web?, seed: seed?, load: load?, node, link, next_port, _servers: servers, lab };
        stage.write_objects(labelled)?;
        Ok(stage)
    }

    fn write_objects(&self, labelled: bool) -> Result<()> {
        let objects = self.node.objects();
        objects.apply_node(&self.node)?;
        self.write_uplink(None)?;
        objects.apply_tier(TIER, &json!({"guarantee": GUARANTEE, "dscp": "LE"}))?;
        for pod in [&self.call, &self.web, &self.load] {
            objects.apply_pod(pod, &[("app", pod.name())])?;
        }
        self.label_seed(labelled)
    }

    /// Says how fast the uplink is, and how much of that stays free (else the default).
    pub(super) fn write_uplink(&self, headroom: Option<&str>) -> Result<()> {
        let mut spec = json!({"capacity": format!("{}M", self.link.rate_bits / 1_000_000)});
        if let Some(headroom) = headroom {
            spec["headroom"] = headroom.into();
        }
        self.node.objects().apply_uplink(&spec)
    }

    /// Puts the tier's label on the seed, or takes it off.
    pub(super) fn label_seed(&self, labelled: bool) -> Result<()> {
        let labels = [("app", "seed"), ("traffic-tier", TIER)];
        self.node.objects().apply_pod(&self.seed, if labelled { &labels } else { &labels[..1] })
    }

    /// Starts the call of 50 packets a second.
    pub(super) fn start_call(&self) -> Result<Call> {
        self.start_probe(&self.call, CallOptions::default())
    }

    /// Starts a UDP probe of any rate from any pod.
    pub(super) fn start_probe(&self, pod: &Pod, options: CallOptions) -> Result<Call> {
        Call::start(pod.ns(), self.lab.internet().at(ECHO_PORT), options)
    }

    /// Starts the short requests.
    pub(super) fn start_web(&self) -> Web {
        Web::start(self.web.ns(), self.lab.internet().at(WEB_PORT), WebOptions::default())
    }

    /// Starts the seed's TCP streams (cubic).
    pub(super) fn start_seed(&self, streams: u8, length: Duration, type_of_service: u8) -> Result<Iperf> {
        let to = self.lab.internet().at(self.free_port());
        let options = IperfOptions { type_of_service, ..IperfOptions::cubic(to, streams, length) };
        Iperf::start(self.seed.ns(), self.lab.internet().ns(), &options)
    }

    /// Starts a steady UDP load from the pod `load`, in Mbit/s on the wire.
    pub(super) fn start_load(&self, mbit: u32, length: Duration) -> Result<Iperf> {
        let to = self.lab.internet().at(self.free_port());
        let options = IperfOptions::udp(to, IperfOptions::udp_payload(u64::from(mbit) * 1_000_000), length);
        Iperf::start(self.load.ns(), self.lab.internet().ns(), &options)
    }

    fn free_port(&self) -> u16 {
        self.next_port.fetch_add(1, Ordering::Relaxed)
    }

    /// The link's rate in Mbit/s, as it was set.
    pub(super) fn link_mbit(&self) -> u64 {
        self.link.rate_bits / 1_000_000
    }
}
