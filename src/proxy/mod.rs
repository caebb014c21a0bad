//! Pipeline 2: client bytes to backend bytes, under the current snapshot.
