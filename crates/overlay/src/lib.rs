//! Who is in the grid: membership without I/O
