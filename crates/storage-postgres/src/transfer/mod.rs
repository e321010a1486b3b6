//! Moving a whole deployment out of this store, or into it.

mod source;
mod target;
mod unfinished;

pub use unfinished::unfinished_import;
