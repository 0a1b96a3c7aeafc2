//! The daemon: sole owner of clock, network and disk
