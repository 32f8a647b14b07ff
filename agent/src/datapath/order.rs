//! Which program is the first on a tcx hook: one before Weir's may end the hook, and with it the packet's way to Weir's.

use std::io;

use aya::programs::TcAttachType;
use aya_obj::generated::{bpf_attach_type, bpf_cmd};
use weir_common::reason::Program;

use super::{
    attach::direction,
    syscall::{attributes, call},
};

/// Returns whether `program`, which has this id, is the first on its hook, or nobody can say.
pub(super) fn is_first(ifindex: u32, program: Program, id: u32) -> bool {
    first(ifindex, direction(program)).ok().flatten().is_none_or(|first| first == id)
}

/// The id of the first program on a hook.
fn first(ifindex: u32, direction: TcAttachType) -> io::Result<Option<u32>> {
    let mut id = 0_u32;
    let mut attributes = attributes();
    attributes.query.__bindgen_anon_1.target_ifindex = ifindex;
    attributes.query.attach_type = match direction {
        TcAttachType::Ingress => bpf_attach_type::BPF_TCX_INGRESS,
        TcAttachType::Egress | TcAttachType::Custom(_) => bpf_attach_type::BPF_TCX_EGRESS,
    } as u32;
    attributes.query.prog_ids = &raw mut id as u64;
    attributes.query.__bindgen_anon_2.prog_cnt = 1;
    // SAFETY: the kernel writes as many ids as `prog_cnt` says, one, to `id`, which outlives the call.
    let asked = unsafe { call(bpf_cmd::BPF_PROG_QUERY, &mut attributes) };
    match asked {
        // ENOSPC: there are more than one, and the first is written (`bpf_mprog_query`, kernel/bpf/mprog.c).
        Err(error) if error.raw_os_error() != Some(libc::ENOSPC) => Err(error),
        _ => Ok((id != 0).then_some(id)),
    }
}
