//! The backup engine: select -> collect -> items -> archive. Knows no phase and no queue.
