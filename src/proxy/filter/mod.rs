//! What a route changes about a message on its way. Each file is one kind of change; `exchange` asks for them in the
//! order of the route. Nothing here runs for a route without filters.

pub mod facts;
mod fields;
pub mod request;
pub mod response;
