//! A seeded world of many peers with a network that fails
