//! The 512-byte blocks of a tar: writing headers as Go does, and reading the headers of any writer.

use tar::{EntryType, Header};

/// Everything in a tar is padded to this.
pub(super) const SIZE: usize = 512;

/// Ends an archive.
pub(super) const END: [u8; 2 * SIZE] = [0; 2 * SIZE];

/// Bytes that follow `size` bytes of content up to the next block.
pub(super) fn padding(size: u64) -> usize {
    let used = usize::try_from(size % SIZE as u64).unwrap_or_default();
    if used == 0 { 0 } else { SIZE - used }
}

const NAME: usize = 100;
const PREFIX: usize = 155;

/// Splits a path for the two name fields of a USTAR header: `(prefix, name)`. `None` if it does not fit or is not ASCII.
///
/// The prefix is made as long as it can be, which is what Go does.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= NAME {
        return Some(("", path));
    }
    let end = path.len().min(PREFIX + 1);
    let slash = path[..end].rfind('/').filter(|slash| *slash > 0)?;
    let (prefix, name) = (&path[..slash], &path[slash + 1..]);
    (!name.is_empty() && name.len() <= NAME).then_some((prefix, name))
}

/// Header of a regular file, mode 0755 and owned by root as Velero's always are. The path must fit ([`split`]).
pub(super) fn file(prefix: &str, name: &str, size: u64, mtime: u64) -> Header {
    header(EntryType::Regular, prefix, name, 0o755, size, mtime)
}

/// Header of the PAX records that hold the path of the next entry. Its own name is only for tools that do not know PAX.
pub(super) fn pax(path: &str, size: u64) -> Header {
    let (dir, file) = path.rsplit_once('/').unwrap_or(("", path));
    let name = format!("{dir}/PaxHeaders.0/{file}");
    header(EntryType::XHeader, "", &ascii(name.trim_start_matches('/')), 0, size, 0)
}

/// Header of an entry with its real path in the PAX records before it.
pub(super) fn file_after_pax(path: &str, size: u64, mtime: u64) -> Header {
    file("", &ascii(path), size, mtime)
}

/// The ASCII characters of a path, as many as a name field holds.
fn ascii(path: &str) -> String {
    let kept: String = path.chars().filter(char::is_ascii).take(NAME).collect();
    kept.trim_end_matches('/').to_owned()
}

fn header(kind: EntryType, prefix: &str, name: &str, mode: u32, size: u64, mtime: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_size(size);
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.name[..name.len()].copy_from_slice(name.as_bytes());
        ustar.prefix[..prefix.len()].copy_from_slice(prefix.as_bytes());
        ustar.set_device_major(0);
        ustar.set_device_minor(0);
    }
    header.set_cksum();
    header
}

/// The facts in a header about its entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) kind: Kind,
    /// Bytes of content after the header.
    pub(super) size: u64,
    /// Raw name; a PAX or GNU entry before it may overrule it.
    pub(super) path: Vec<u8>,
}

/// Types of entries, as far as they make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// PAX records for the next entry.
    Pax,
    /// PAX records for all that follow; nothing in them matters to an archive of items.
    PaxGlobal,
    /// Content is the next entry's path.
    GnuLongName,
    /// Content is the next entry's link target, so that is a link.
    GnuLongLink,
    Link,
    Special,
}

/// Reads a header block that is not all zeros.
pub(super) fn decode(block: &[u8; SIZE]) -> Result<Decoded, &'static str> {
    let header = Header::from_byte_slice(block);
    if header.cksum().ok() != Some(checksum(block)) {
        return Err("a header's checksum is wrong");
    }
    let size = header.entry_size().map_err(|_| "a header's size is not a number")?;
    let path = header.path_bytes().into_owned();
    let kind = match header.entry_type() {
        // Before POSIX a directory was a file with a slash at the end of its name.
        EntryType::Regular if block[156] == 0 && path.ends_with(b"/") => Kind::Directory,
        EntryType::Regular => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::XHeader => Kind::Pax,
        EntryType::XGlobalHeader => Kind::PaxGlobal,
        EntryType::GNULongName => Kind::GnuLongName,
        EntryType::GNULongLink => Kind::GnuLongLink,
        EntryType::Link | EntryType::Symlink => Kind::Link,
        _ => Kind::Special,
    };
    Ok(Decoded { kind, size, path })
}

/// Sum of all bytes, those of the checksum field (148..156) taken as spaces.
fn checksum(block: &[u8; SIZE]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_at_the_last_slash_that_fits_both_fields() {
        let name = |len: usize| "n".repeat(len);
        let cases = [
            ("metadata/version".to_owned(), Some((0, 16))),
            (name(100), Some((0, 100))),
            (name(101), None),
            (format!("{}/{}", name(155), name(100)), Some((155, 100))),
            (format!("{}/{}", name(156), name(99)), None),
            (format!("{}/{}", name(155), name(101)), None),
            (format!("a/{}/{}", name(60), name(60)), Some((62, 60))),
            (format!("/{}", name(100)), None),
            ("ä/b".to_owned(), None),
        ];
        for (path, expected) in cases {
            let split = split(&path).map(|(prefix, name)| (prefix.len(), name.len()));
            assert_eq!(split, expected, "{path}");
        }
    }

    #[test]
    fn a_written_header_is_read_back() {
        let header = file("dir", "name.json", 77, 1_700_000_000);
        let decoded = decode(header.as_bytes()).unwrap();
        assert_eq!(
            decoded,
            Decoded {
                kind: Kind::File,
                size: 77,
                path: b"dir/name.json".to_vec()
            }
        );
    }

    #[test]
    fn any_changed_byte_of_a_header_breaks_its_checksum() {
        let header = *file("dir", "name.json", 77, 1_700_000_000).as_bytes();
        for at in 0..SIZE {
            let mut damaged = header;
            damaged[at] ^= 0x01;
            // A flipped bit in the checksum field may leave the same number behind other padding; all else must be seen.
            if !(148..156).contains(&at) {
                assert!(decode(&damaged).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn padding_fills_the_last_block() {
        for (size, expected) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511)] {
            assert_eq!(padding(size), expected);
        }
    }
}
