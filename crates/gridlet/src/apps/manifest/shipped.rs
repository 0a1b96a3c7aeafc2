//! The manifests that come with Outlast, compiled in.

/// One of them.
macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$((
            concat!("apps/", $name, ".toml"),
            include_str!(concat!("../../../../../apps/", $name, ".toml")),
        )),*]
    };
}

/// Name of the file and its text, in the order in which they are asked.
pub(super) const SHIPPED: &[(&str, &str)] =
    shipped!["ffmpeg", "gzip", "xz", "bzip2", "zstd", "flac", "fractal", "imagemagick", "mogrify"];
