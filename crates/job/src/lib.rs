//! The coordinator's, the worker's and the whole peer's state machines
