//! Staging: files by content, in chunks, from whoever has them.
