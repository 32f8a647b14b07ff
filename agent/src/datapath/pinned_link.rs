//! What a pinned link holds, asked of the link itself.
//!
//! aya asks the interface for its programs by id, which takes `CAP_SYS_ADMIN` (`bpf_prog_get_fd_by_id`,
//! `kernel/bpf/syscall.c`), and its `LinkInfo` does not tell a tcx link's interface.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya_obj::generated::{bpf_cmd, bpf_link_info};

use super::syscall::{attributes, call};

/// A tcx link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TcxLink {
    /// Id of the program in it.
    pub(super) program: u32,
    /// Its interface; 0 when that is gone.
    pub(super) ifindex: u32,
}

impl TcxLink {
    /// The link that is pinned at a path.
    pub(super) fn read(pin: &Path) -> io::Result<Self> {
        let link = open(pin)?;
        // SAFETY: a struct and unions of integers, for which zero is a value.
        let mut info: bpf_link_info = unsafe { std::mem::zeroed() };
        let mut attributes = attributes();
        attributes.info.bpf_fd = link.as_raw_fd().cast_unsigned();
        attributes.info.info_len = u32::try_from(size_of::<bpf_link_info>()).map_err(io::Error::other)?;
        attributes.info.info = &raw mut info as u64;
        // SAFETY: `info` points to a struct of the length given with it, which outlives the call.
        unsafe { call(bpf_cmd::BPF_OBJ_GET_INFO_BY_FD, &mut attributes) }?;
        // SAFETY: all bytes of the union are initialised; only tcx links are pinned where the caller looks.
        let ifindex = unsafe { info.__bindgen_anon_1.tcx.ifindex };
        Ok(Self { program: info.prog_id, ifindex })
    }
}

/// Detaches the link that is pinned at a path, at once: the kernel releases a link whose pin is removed some time later
/// (`bpf_free_inode`, `kernel/bpf/inode.c`), and until then its program cannot be attached to the hook again.
pub(super) fn detach(pin: &Path) -> io::Result<()> {
    let link = open(pin)?;
    let mut attributes = attributes();
    attributes.link_detach.link_fd = link.as_raw_fd().cast_unsigned();
    // SAFETY: the command uses no pointer, and the descriptor is open until the call returns.
    unsafe { call(bpf_cmd::BPF_LINK_DETACH, &mut attributes) }.map(drop)
}

fn open(pin: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let mut attributes = attributes();
    attributes.__bindgen_anon_4.pathname = path.as_ptr() as u64;
    // SAFETY: the path is a C string that outlives the call.
    let fd = unsafe { call(bpf_cmd::BPF_OBJ_GET, &mut attributes) }?;
    // SAFETY: the kernel just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
