//! Which node gets the next gridlet: placement policies without I/O
