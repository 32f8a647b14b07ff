//! What the kernel has, or should have, as map values and attachments.
