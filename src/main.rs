//! Arguments to an exit code.

use std::process::ExitCode;

use genkan::cli::{self, Next};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Fails only if there is one already, and there is none before this line.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match cli::run(std::env::args_os()) {
        Next::Exit(code) => code,
        Next::Serve(settings) => genkan::app::run(*settings),
    }
}
