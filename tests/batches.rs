//! Batches from their acceptance to their end: apis, workers and the simulator as they are, and what goes wrong between them.

mod budget;
mod desk;
mod kills;
mod lost_answers;
mod org_budget;
mod outage;
mod races;
mod sample;
mod steer;
mod twins;
