//! Which answers are right: replication, voting, samples, credibility, without I/O
