//! The manifests that come with Outlast, compiled in.

/// Name of the file and its text, in the order in which they are asked.
pub(super) const SHIPPED: &[(&str, &str)] = &[
    ("apps/ffmpeg.toml", include_str!("../../../../../apps/ffmpeg.toml")),
    ("apps/gzip.toml", include_str!("../../../../../apps/gzip.toml")),
];
