//! A ticket cache's file, in the format of MIT and Heimdal.

use std::time::{Duration, SystemTime};

/// The owner, and the end of the ticket for getting tickets (`ccache` file format, version 4).
pub(super) fn contents(octets: &[u8]) -> Option<(String, Option<SystemTime>)> {
    let mut rest = Rest(octets.strip_prefix(&[5, 4])?);
    let header = rest.u16()?;
    rest.take(usize::from(header))?;
    let owner = rest.principal()?;
    let mut end = None;
    while !rest.0.is_empty() {
        let Some((server, until)) = rest.credential() else { break };
        if server.starts_with("krbtgt/") && end.is_none_or(|end| until > end) {
            end = Some(until);
        }
    }
    Some((owner, end.map(|end| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(end)))))
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn data(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    fn principal(&mut self) -> Option<String> {
        self.u32()?; // the kind of name
        let components = self.u32()?;
        let realm = self.data()?;
        let mut name = String::new();
        for i in 0..components {
            let component = self.data()?;
            if i > 0 {
                name.push('/');
            }
            name.push_str(&String::from_utf8_lossy(component));
        }
        Some(format!("{name}@{}", String::from_utf8_lossy(realm)))
    }

    /// The server that a ticket is for, and its end.
    fn credential(&mut self) -> Option<(String, u32)> {
        self.principal()?;
        let server = self.principal()?;
        self.u16()?; // the key, which is none of our business
        self.data()?;
        self.take(8)?; // when it was got, and begins
        let end = self.u32()?;
        self.take(4 + 1 + 4)?; // renewable until; whose key; flags
        for _ in 0..2 {
            // addresses, authorization data
            for _ in 0..self.u32()? {
                self.u16()?;
                self.data()?;
            }
        }
        self.data()?;
        self.data()?;
        Some((server, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(octets: &[u8]) -> Vec<u8> {
        [&(octets.len() as u32).to_be_bytes()[..], octets].concat()
    }

    fn principal(components: &[&str], realm: &str) -> Vec<u8> {
        let mut octets = 1_u32.to_be_bytes().to_vec();
        octets.extend((components.len() as u32).to_be_bytes());
        octets.extend(data(realm.as_bytes()));
        components.iter().for_each(|component| octets.extend(data(component.as_bytes())));
        octets
    }

    fn credential(server: &[&str], end: u32) -> Vec<u8> {
        let mut octets = principal(&["alice"], "LAB.TEST");
        octets.extend(principal(server, "LAB.TEST"));
        octets.extend([0, 18]);
        octets.extend(data(&[7; 32]));
        octets.extend([0; 8]);
        octets.extend(end.to_be_bytes());
        octets.extend([0; 9 + 8]);
        octets.extend(data(b"ticket"));
        octets.extend(data(b""));
        octets
    }

    #[test]
    fn owner_and_end_are_read_and_a_broken_file_as_far_as_it_goes() {
        let mut file = vec![5, 4, 0, 4, 0, 1, 0, 0];
        file.extend(principal(&["alice"], "LAB.TEST"));
        let owner_ends = file.len();
        file.extend(credential(&["krb5_ccache_conf_data", "pa_type"], u32::MAX));
        file.extend(credential(&["krbtgt", "LAB.TEST"], 1_795_651_200));
        file.extend(credential(&["HTTP", "www.lab.test"], 1_795_651_999));
        let (owner, end) = contents(&file).expect("a cache");
        assert_eq!(owner, "alice@LAB.TEST");
        assert_eq!(end, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_651_200)));
        for length in 0..file.len() {
            assert_eq!(contents(&file[..length]).is_some(), length >= owner_ends, "{length}");
        }
        file[owner_ends - 12..owner_ends - 8].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(contents(&file), None);
    }
}
