//! PAX records: `<length> <key>=<value>\n`, where the length counts itself.

/// One record.
pub(super) fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    // The length's own digits may push it over a power of ten, so it settles in at most two rounds.
    let mut length = rest.len();
    loop {
        let total = rest.len() + length.to_string().len();
        if total == length {
            return format!("{length}{rest}").into_bytes();
        }
        length = total;
    }
}

/// The records that describe the next entry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// GNU's sparse files hide in PAX records.
    pub(super) sparse: bool,
}

/// Reads the content of a PAX entry; `None` if it is malformed. Of several records of a key the last one counts.
pub(super) fn parse(mut content: &[u8]) -> Option<Records> {
    let mut records = Records::default();
    while !content.is_empty() {
        let space = content.iter().take(20).position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&content[..space]).ok()?.parse().ok()?;
        if length <= space + 1 || length > content.len() {
            return None;
        }
        let (record, rest) = content.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => records.path = Some(value.to_vec()),
            b"size" => records.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
            _ => records.sparse |= key.starts_with(b"GNU.sparse."),
        }
        content = rest;
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(record("path", "ä"), "11 path=ä\n".as_bytes());
        for len in 0..2_000 {
            let value = "v".repeat(len);
            let record = record("path", &value);
            assert!(record.starts_with(format!("{} path=", record.len()).as_bytes()));
            assert_eq!(parse(&record).unwrap().path.as_deref(), Some(value.as_bytes()));
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        assert!(parse(b"9 path=x\n").is_some());
        let cases: [&[u8]; 8] = [
            b"path=x\n",
            b"8 path=x\n",
            b"11 path=x\n",
            b"9 path=xy",
            b"x path=x\n",
            b"99999999999999999999 path=x\n",
            b"3 \n",
            b"12 size=many\n",
        ];
        for case in cases {
            assert_eq!(parse(case), None, "{}", case.escape_ascii());
        }
    }

    #[test]
    fn unknown_records_are_skipped() {
        let mut content = record("mtime", "1700000000.5");
        content.extend(record("path", "a"));
        content.extend(record("path", "b"));
        content.extend(record("size", "12"));
        assert_eq!(
            parse(&content).unwrap(),
            Records {
                path: Some(b"b".to_vec()),
                size: Some(12),
                sparse: false
            }
        );
        assert!(parse(&record("GNU.sparse.map", "0,1")).unwrap().sparse);
    }
}
