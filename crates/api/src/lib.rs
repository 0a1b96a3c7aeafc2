//! The control API: versioned types, server routes and client
