//! How objects are shown.

pub mod age;
pub mod json;
pub mod table;
pub mod tabs;
pub mod tree;
pub mod view;
pub mod yaml;

pub use view::View;
