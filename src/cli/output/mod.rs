//! The output of objects: tables, pages of text, JSON and YAML. Pure functions of the objects and a [`View`].

pub mod age;
pub mod columns;
pub mod describe;
#[cfg(test)]
mod golden;
pub mod json;
mod print;
pub mod rate;
pub mod restore_plan;
pub mod retention;
pub mod selector;
pub mod table;
pub mod tabs;
pub mod view;

pub use print::{Format, Listing, OutputArgs, PrintError, json as print_json, list, object, yaml as print_yaml};
pub use view::View;
