//! Traffic control messages: what is read from them, and how they are written.

use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorContext, NLM_F_CREATE, NLM_F_EXCL, NlasIterator, parse_string, parse_u32,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    tc::{TcAttribute, TcHandle, TcHeader, TcMessage},
};

use super::{
    hooks::Filter,
    tree::{Handle, Qdisc},
};

/// `struct tcmsg` (`linux/rtnetlink.h`).
const HEADER_BYTES: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
/// `ETH_P_ALL` (`linux/if_ether.h`).
pub(super) const ETH_P_ALL: u16 = 3;
/// `struct tc_htb_glob` among htb's options; it begins with the version, a u32 (`linux/pkt_sched.h`).
const TCA_HTB_INIT: u16 = 2;

/// A qdisc or class of some interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) ifindex: u32,
    pub(super) qdisc: Qdisc,
}

pub(super) fn all_qdiscs() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default())
}

pub(super) fn classes_of(ifindex: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetTrafficClass(address(ifindex, Handle::default(), Handle::default()))
}

pub(super) fn filters_at(ifindex: u32, parent: Handle) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetTrafficFilter(address(ifindex, Handle::default(), parent))
}

/// Makes or changes `qdisc` on an interface. Without a handle the kernel finds one by the parent.
pub(super) fn new_qdisc(ifindex: u32, qdisc: &Qdisc) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewQueueDiscipline(with_options(ifindex, qdisc))
}

pub(super) fn new_class(ifindex: u32, class: &Qdisc) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewTrafficClass(with_options(ifindex, class))
}

/// Takes the root away; the kernel puts its default there.
pub(super) fn delete_root(ifindex: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelQueueDiscipline(address(ifindex, Handle::default(), Handle::ROOT))
}

/// Flags of a request that fails where something is there already.
pub(super) const CREATE_ONLY: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// Makes the qdisc that hooks stand on: `clsact` or `ingress`, in the one place of both.
pub(super) fn new_base(ifindex: u32, place: Handle, kind: &str) -> RouteNetlinkMessage {
    let handle = Handle { major: place.major, minor: 0 };
    let base = Qdisc { kind: kind.to_owned(), handle, parent: place, options: None };
    RouteNetlinkMessage::NewQueueDiscipline(with_options(ifindex, &base))
}

/// Takes it away.
pub(super) fn delete_base(ifindex: u32, place: Handle) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelQueueDiscipline(address(ifindex, Handle::default(), place))
}

/// Takes a filter away.
pub(super) fn delete_filter(ifindex: u32, hook: Handle, filter: &Filter) -> RouteNetlinkMessage {
    let major = u16::try_from(filter.handle >> 16).unwrap_or(0);
    let handle = Handle { major, minor: u16::try_from(filter.handle & 0xffff).unwrap_or(0) };
    let mut message = address(ifindex, handle, hook);
    // Priority and protocol (`TC_H_MAKE(prio << 16, protocol)`, `net/sched/cls_api.c`).
    message.header.info = (u32::from(filter.priority) << 16) | u32::from(ETH_P_ALL.to_be());
    message.attributes.push(TcAttribute::Kind(filter.kind.clone()));
    RouteNetlinkMessage::DelTrafficFilter(message)
}

/// Reads a filter; none for the head of its priority, which is listed with handle 0 and is no filter itself.
pub(super) fn parse_filter(payload: &[u8]) -> Result<Option<Filter>, DecodeError> {
    let header = TcHeader::parse(payload)?;
    let Some(Found { qdisc, .. }) = parse(payload)? else { return Ok(None) };
    let handle = (u32::from(header.handle.major) << 16) | u32::from(header.handle.minor);
    let priority = u16::try_from(header.info >> 16).unwrap_or(0);
    // The other half of `tcm_info` is the protocol, in network byte order.
    let protocol = u16::from_be(u16::try_from(header.info & 0xffff).unwrap_or(0));
    Ok((handle != 0).then_some(Filter { priority, protocol, kind: qdisc.kind, handle }))
}

/// Reads kind, handles and options; the options stay as they are, so that they can be given back to the letter.
pub(super) fn parse(payload: &[u8]) -> Result<Option<Found>, DecodeError> {
    let header = TcHeader::parse(payload)?;
    let ifindex = header.index.cast_unsigned();
    let handle = |handle: TcHandle| Handle { major: handle.major, minor: handle.minor };
    let mut qdisc = Qdisc { handle: handle(header.handle), parent: handle(header.parent), ..Qdisc::default() };
    for attribute in NlasIterator::new(&payload[HEADER_BYTES..]) {
        let attribute = attribute.with_context(|| format!("qdisc or class of interface {ifindex}"))?;
        match attribute.kind() {
            TCA_KIND => qdisc.kind = parse_string(attribute.value())?,
            TCA_OPTIONS => qdisc.options = Some(attribute.value().to_vec()),
            _ => {}
        }
    }
    Ok(Some(Found { ifindex, qdisc }))
}

fn address(ifindex: u32, handle: Handle, parent: Handle) -> TcMessage {
    let tc = |handle: Handle| TcHandle { major: handle.major, minor: handle.minor };
    let mut message = TcMessage::with_index(ifindex.cast_signed());
    message.header.handle = tc(handle);
    message.header.parent = tc(parent);
    message
}

fn with_options(ifindex: u32, qdisc: &Qdisc) -> TcMessage {
    let mut message = address(ifindex, qdisc.handle, qdisc.parent);
    message.attributes.push(TcAttribute::Kind(qdisc.kind.clone()));
    let options = qdisc.options.as_ref().map(|options| accepted(&qdisc.kind, options));
    message.attributes.extend(options.map(|options| TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options))));
    message
}

/// Options as the kernel takes them, from options as it reports them. They are the same, but for htb: it reports its
/// version as major and minor (`htb_dump`) and takes the major one alone (`htb_init`, `net/sched/sch_htb.c`).
fn accepted(kind: &str, options: &[u8]) -> Vec<u8> {
    if kind != "htb" {
        return options.to_vec();
    }
    let attributes: Vec<DefaultNla> = NlasIterator::new(options)
        .flatten()
        .map(|attribute| {
            let mut value = attribute.value().to_vec();
            if let (TCA_HTB_INIT, Some(version)) = (attribute.kind(), value.first_chunk_mut::<4>()) {
                let reported = u32::from_ne_bytes(*version);
                *version = (if reported > 0xffff { reported >> 16 } else { reported }).to_ne_bytes();
            }
            DefaultNla::new(attribute.kind(), value)
        })
        .collect();
    encode(&attributes)
}

/// Attributes one after the other, as they stand inside `TCA_OPTIONS`.
pub(super) fn encode(attributes: &[DefaultNla]) -> Vec<u8> {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    bytes
}

/// The value of a u32 option.
pub(super) fn option(options: &[u8], kind: u16) -> Option<u32> {
    let option = NlasIterator::new(options).flatten().find(|option| option.kind() == kind)?;
    parse_u32(option.value()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again_to_the_letter() {
        let qdisc = Qdisc {
            kind: "tbf".to_owned(),
            handle: Handle { major: 0x8001, minor: 0 },
            parent: Handle::ROOT,
            options: Some(vec![9, 8, 7, 6, 5]),
        };
        let written = with_options(7, &qdisc);
        let mut bytes = vec![0; written.buffer_len()];
        written.emit(&mut bytes);
        assert_eq!(parse(&bytes).expect("well-formed"), Some(Found { ifindex: 7, qdisc }));
    }

    #[test]
    fn htb_takes_the_major_version_only() {
        let init = |version: u32| DefaultNla::new(TCA_HTB_INIT, [version.to_ne_bytes(), [10, 0, 0, 0]].concat());
        let queue_length = DefaultNla::new(5, vec![232, 3, 0, 0]);
        let reported = encode(&[init(0x0003_0011), queue_length.clone()]);
        assert_eq!(accepted("htb", &reported), encode(&[init(3), queue_length]));
        assert_eq!(accepted("hfsc", &reported), reported);
    }

    #[test]
    fn no_options_stay_no_options() {
        let qdisc = Qdisc { kind: "mq".to_owned(), ..Qdisc::default() };
        assert_eq!(with_options(7, &qdisc).attributes.len(), 1);
    }
}
