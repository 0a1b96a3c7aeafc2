//! Bad input: a clear message, the documented exit code, and no daemon down.
