//! Talking to an API server: client, discovery, raw objects, paging, status writes, yaml.
