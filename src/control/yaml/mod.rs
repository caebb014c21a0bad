//! YAML as genkan reads it: a tree that remembers where everything stands (`node`, `parse`), variables filled into its
//! scalars (`variables`), several trees made one (`merge`), and serde types read from it with every mistake found in
//! one pass (`read`). What the keys mean is the business of the types.

mod located;
mod merge;
mod node;
mod parse;
mod read;
mod suggest;
mod variables;

pub use located::Located;
pub use merge::merge;
pub use node::{Files, Key, Kind, Node, Problem, SourceFile, Span};
pub use parse::parse;
pub use read::{NOT_YET, read};
pub use suggest::closest;
pub use variables::substitute;
