//! Object storage: the port, the providers, and the layout of the bucket.
