//! The difference between what the kernel has and what it should have.
