//! The agent: sources → desired → plan → kernel, and what it tells about all of that.

pub mod datapath;
