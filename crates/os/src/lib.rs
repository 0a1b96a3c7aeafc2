//! The operating system: every unsafe block of Outlast, behind safe functions
