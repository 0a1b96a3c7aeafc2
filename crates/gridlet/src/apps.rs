//! The applications that come with Outlast.
