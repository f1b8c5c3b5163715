//! Twins at the end of a round.
