//! Virtual organisations: who may do what, by signed certificates.
