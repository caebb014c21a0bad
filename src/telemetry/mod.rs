//! What is counted and written about traffic.
