//! `TrafficTier`: selectors, limits and mark.

use weir_core::model::{self, Rate, Selector, dscp, rate};

use super::{Converted, Errors, FieldPath, field::Collector, meta::cluster_scoped_name, selector::selector};
use crate::objects::{IntOrText, TrafficTier};

/// The label that puts a pod into the tier that it names, where the tier has no podSelector.
const TIER_LABEL: &str = "traffic-tier";

/// Reads a tier.
pub fn traffic_tier(resource: &TrafficTier) -> Result<Converted<String, model::Tier>, Errors> {
    let mut errors = Collector::default();
    let name = cluster_scoped_name("TrafficTier", &resource.metadata, &mut errors);
    let path = FieldPath::of(&["spec"]);
    let spec = &resource.spec;
    if spec.uplink.is_empty() {
        errors.add(path.key("uplink"), "the tier names no Uplink; write the name of one");
    }
    let pods = spec.pod_selector.as_ref().map(|pods| selector(pods, &path.key("podSelector"), &mut errors));
    let namespaces = spec.namespace_selector.as_ref();
    let namespaces = namespaces.map(|labels| selector(labels, &path.key("namespaceSelector"), &mut errors));
    let guarantee = limit(spec.guarantee.as_ref(), &path.key("guarantee"), &mut errors);
    let ceiling = limit(spec.ceiling.as_ref(), &path.key("ceiling"), &mut errors);
    let pod_ceiling = limit(spec.per_pod_ceiling.as_ref(), &path.key("perPodCeiling"), &mut errors);
    if let (Some(guarantee), Some(ceiling)) = (guarantee, ceiling)
        && ceiling < guarantee
    {
        let (ceiling, guarantee) = (rate::format(ceiling), rate::format(guarantee));
        let message = format!("{ceiling} is under the guarantee {guarantee}; raise it or lower the guarantee");
        errors.add(path.key("ceiling"), message);
    }
    if spec.weight.is_some_and(|weight| weight != 1) {
        errors.add(path.key("weight"), "weights other than 1 are not supported yet by this version; remove it");
    }
    if !spec.schedules.is_empty() {
        errors.add(path.key("schedules"), "schedules are not supported yet by this version; remove them");
    }
    let dscp = spec.dscp.as_ref().and_then(|dscp| errors.take(&path.key("dscp"), dscp::parse(&dscp.0)));
    let tier = name.map(|name| Converted {
        object: model::Tier {
            uplink: spec.uplink.clone(),
            pods: pods.unwrap_or_else(|| Selector::label(TIER_LABEL, &name)),
            namespaces: namespaces.unwrap_or_default(),
            guarantee: guarantee.unwrap_or(0),
            ceiling,
            pod_ceiling,
            dscp,
            generation: resource.metadata.generation.unwrap_or(0),
            location: None,
        },
        name,
        ignored: Vec::new(),
    });
    errors.finish(tier)
}

fn limit(written: Option<&IntOrText>, path: &FieldPath, errors: &mut Collector) -> Option<Rate> {
    errors.take(path, rate::parse(&written?.0))
}
