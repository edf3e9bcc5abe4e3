//! What a backup contains: the truth tables of its filters, each case a backup of one scene on a real API server, and the
//! preparation of specs.

mod cases;
mod long_names;
mod prepared;
mod scene;
mod table;
mod versions;
