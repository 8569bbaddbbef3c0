//! Delivery in paused time, to an endpoint that is played: days pass in milliseconds.

mod bench;
mod order;
mod time;
