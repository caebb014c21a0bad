//! Metrics as a scraper sees them.
