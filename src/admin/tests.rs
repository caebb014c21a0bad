//! The admin listener over a real socket.
