//! Kubernetes' resource quantities: `500m`, `16Gi`, `1.5G` (apimachinery `pkg/api/resource/quantity.go`).

use std::str::FromStr;

use thiserror::Error;

/// Bytes in a KiB.
pub const KIB: u64 = 1024;
/// Bytes in a MiB.
pub const MIB: u64 = 1024 * KIB;
/// Bytes in a GiB.
pub const GIB: u64 = 1024 * MIB;

/// Suffixes with the factor that each stands for, as numerator and denominator.
const SUFFIXES: &[(&str, u128, u128)] = &[
    ("Ki", 1 << 10, 1),
    ("Mi", 1 << 20, 1),
    ("Gi", 1 << 30, 1),
    ("Ti", 1 << 40, 1),
    ("Pi", 1 << 50, 1),
    ("Ei", 1 << 60, 1),
    ("n", 1, 1_000_000_000),
    ("u", 1, 1_000_000),
    ("m", 1, 1_000),
    ("k", 1_000, 1),
    ("M", 1_000_000, 1),
    ("G", 1_000_000_000, 1),
    ("T", 1_000_000_000_000, 1),
    ("P", 1_000_000_000_000_000, 1),
    ("E", 1_000_000_000_000_000_000, 1),
    ("", 1, 1),
];

/// An amount that is not negative, exact to a thousandth; what is finer is rounded up, as Kubernetes does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity {
    thousandths: u64,
}

/// A text that is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no quantity; expected a number that is not negative, with a suffix or without: 4, 500m, 16Gi, 1.5G"
)]
pub struct QuantityError(String);

impl Quantity {
    /// So many thousandths: millicores, for CPUs.
    #[must_use]
    pub const fn from_thousandths(thousandths: u64) -> Self {
        Self { thousandths }
    }

    /// In thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u64 {
        self.thousandths
    }

    /// In whole units, rounded up.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.thousandths.div_ceil(1000)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim())
            .map(|thousandths| Self { thousandths })
            .ok_or_else(|| QuantityError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let mantissa: u128 = digits.parse().ok()?;
    let (factor, divisor) = factor(suffix)?;
    let divisor = divisor.checked_mul(10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
    let thousandths = mantissa.checked_mul(1000)?.checked_mul(factor)?.div_ceil(divisor);
    u64::try_from(thousandths).ok()
}

fn factor(suffix: &str) -> Option<(u128, u128)> {
    if let Some((_, factor, divisor)) = SUFFIXES.iter().find(|(known, _, _)| *known == suffix) {
        return Some((*factor, *divisor));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    Some(if exponent < 0 { (1, power) } else { (power, 1) })
}

/// Millicores in the canonical form: `4`, `3920m`.
#[must_use]
pub fn cpu(millicores: u64) -> String {
    if millicores.is_multiple_of(1000) { count(millicores / 1000) } else { format!("{millicores}m") }
}

/// A number of things in the canonical form: `110`, `2k`.
#[must_use]
pub fn count(number: u64) -> String {
    reduced(number, 1000, &["", "k", "M", "G", "T", "P", "E"])
}

/// Bytes in the canonical form, rounded down to whole KiB, as the kubelet shows memory: `8Gi`, `7984Mi`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    reduced(bytes / KIB, 1024, &["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
}

/// With the largest suffix that leaves no fraction.
fn reduced(mut number: u64, base: u64, suffixes: &[&str]) -> String {
    if number == 0 {
        return "0".to_owned();
    }
    let mut suffixes = suffixes.iter().peekable();
    loop {
        let suffix = suffixes.next().copied().unwrap_or_default();
        if !number.is_multiple_of(base) || suffixes.peek().is_none() {
            return format!("{number}{suffix}");
        }
        number /= base;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, thousandths) in [
            ("4", 4000),
            ("0.5", 500),
            (".5", 500),
            ("1.", 1000),
            ("100m", 100),
            ("0.1m", 1),
            ("1n", 1),
            ("2e3", 2_000_000),
            ("5E-1", 500),
            ("+1", 1000),
            ("100Mi", 100 * 1024 * 1024 * 1000),
            ("1.5Gi", 1536 * 1024 * 1024 * 1000),
            ("1G", 1_000_000_000_000),
            (" 1k ", 1_000_000),
        ] {
            assert_eq!(text.parse::<Quantity>().map(Quantity::thousandths), Ok(thousandths), "{text}");
        }
        for text in
            ["", "-1", "1 Gi", "1gi", "Gi", "1.2.3", "1e", "1e99", "99999999999E", "0x10", "1Mib", "."]
        {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_canonical_form_has_the_largest_suffix_without_a_fraction() {
        for (written, expected) in [
            (cpu(4000), "4"),
            (cpu(3920), "3920m"),
            (cpu(0), "0"),
            (cpu(2_000_000), "2k"),
            (count(110), "110"),
            (count(1000), "1k"),
            (count(1500), "1500"),
            (bytes(8 * GIB), "8Gi"),
            (bytes(7984 * MIB), "7984Mi"),
            (bytes(7984 * MIB + 1), "7984Mi"),
            (bytes(3 * KIB), "3Ki"),
            (bytes(1023), "0"),
        ] {
            assert_eq!(written, expected);
        }
        assert_eq!(bytes(u64::MAX), "18014398509481983Ki");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_again(number in 0..u64::MAX / 1000 / 1024) {
            let parsed = |text: String| text.parse::<Quantity>().unwrap();
            proptest::prop_assert_eq!(parsed(cpu(number)).thousandths(), number);
            proptest::prop_assert_eq!(parsed(count(number)).units(), number);
            proptest::prop_assert_eq!(parsed(bytes(number)).units(), number / KIB * KIB);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eEnumkKMGTPi ]{0,40}|.{0,20}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
