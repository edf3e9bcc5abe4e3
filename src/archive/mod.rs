//! The backup tarball: reader, writer, layout. Format only; knows no client and no tokio.
