//! How much memory a process has in use.

/// Its resident bytes, where the system tells.
pub(super) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    resident(&status)
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_resident_is_read_from_the_systems_words() {
        assert_eq!(resident("VmPeak:\t  99 kB\nVmRSS:\t   1234 kB\n"), Some(1234 * 1024));
        assert_eq!(resident("VmPeak: 99 kB"), None);
        assert!(resident_bytes(std::process::id()).is_none_or(|bytes| bytes > 1024 * 1024));
    }
}
