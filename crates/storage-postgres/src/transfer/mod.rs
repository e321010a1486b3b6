//! Exports and imports a whole deployment.

mod source;
mod target;
mod unfinished;

pub use unfinished::unfinished_import;
