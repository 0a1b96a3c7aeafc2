//! The daemon: sole owner of clock, network and disk.
//!
//! The thinking is done by pure crates; here are the parts that do things, each with its own
//! errors and without knowledge of the others' business:
//!
//! - [`apps`]: which applications there are.
//! - [`services`]: how jobs are to be treated besides.
//! - [`config`]: how a node is set up.
//! - [`executor`]: runs the steps of jobs and collects their results.
//! - [`store`]: blobs by content hash.
//! - [`journal`]: what has to survive a restart.
//! - [`transport`]: frames and blobs between nodes.

mod control;
mod examiner;
mod flops;
mod jobs;
mod kernel;
mod ledger;
mod metrics;
mod node;
mod shared;
mod sink;
mod staging;
mod submit;
mod tools;
pub mod transfer;
mod trust;
mod view;
mod why;

pub mod apps;
pub mod config;
pub mod executor;
pub mod journal;
pub mod services;
pub mod store;
pub mod transport;

pub use outlast_vo::TICKET_REFUSED;

pub use node::{Node, Options, StartError, WrapExecutor};

/// The programs of the applications that come with Outlast: the application's name, and the program's.
pub fn programs() -> Vec<(String, String)> {
    let described = outlast_gridlet::apps::manifest::shipped().into_iter().flat_map(|manifest| {
        let name = manifest.name.clone();
        manifest.programs.into_iter().map(move |program| (name.clone(), program))
    });
    std::iter::once(("povray".to_owned(), "povray".to_owned())).chain(described).collect()
}
