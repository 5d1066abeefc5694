//! How many files the process may open.

/// What the program needs beside two for each connection: its listener, its pool to the proxy.
pub(crate) const OWN: usize = 64;

/// The limit, where it can be told: by Linux.
pub(crate) fn limit() -> Option<usize> {
    limit_in(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

fn limit_in(limits: &str) -> Option<usize> {
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    soft.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::limit_in;

    #[test]
    fn the_soft_limit_counts() {
        let limits = "Max core file size        0                    unlimited            bytes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(limit_in(limits), Some(1024));
        assert_eq!(
            limit_in("Max open files            unlimited            unlimited            files"),
            None
        );
    }
}
