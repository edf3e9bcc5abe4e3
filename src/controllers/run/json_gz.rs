//! The small gzipped JSON files of a run (spec backup 16.3).

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::go_json;

/// One value as such a file.
///
/// # Errors
/// The value cannot be JSON.
pub fn write<T: Serialize + ?Sized>(value: &T) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&go_json::to_line(value)?)?;
    Ok(encoder.finish()?.into())
}

/// Reads such a file, of at most `max` bytes once unpacked.
///
/// # Errors
/// It is no gzip, no JSON of that shape, or too large.
pub fn read<T: DeserializeOwned>(packed: &[u8], max: u64) -> io::Result<T> {
    let mut text = Vec::new();
    MultiGzDecoder::new(packed).take(max + 1).read_to_end(&mut text)?;
    if text.len() as u64 > max {
        return Err(io::Error::other(format!("it unpacks to more than {max} bytes")));
    }
    Ok(serde_json::from_slice(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_a_bomb_is_not() {
        let packed = write(&vec!["x".repeat(1000)]).unwrap();
        assert_eq!(read::<Vec<String>>(&packed, 2000).unwrap()[0].len(), 1000);
        assert!(
            read::<Vec<String>>(&packed, 500)
                .unwrap_err()
                .to_string()
                .contains("500 bytes")
        );
        assert!(
            read::<Option<Vec<String>>>(&write(&()).unwrap(), 10).unwrap().is_none(),
            "null is accepted"
        );
    }
}
