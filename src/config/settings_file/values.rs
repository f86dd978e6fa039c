//! Single values of the settings file. Each refuses what makes no sense, with a word on what would; the parser adds the line.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::core::{
    quantity::Quantity,
    template::{
        devices::kubernetes_architecture,
        kubelet_options::parse_threshold,
        labels::{Taint, check_key, check_value},
        resources::Threshold,
    },
};

/// Longest period that is taken for meant.
const MAX_PERIOD: Duration = Duration::from_secs(366 * 24 * 3600);

/// A type that is read of a text, as it is written in the file.
macro_rules! value {
    ($(#[$doc:meta])* $name:ident($inner:ty), $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub(super) struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let parse: fn(&str) -> Result<$inner, String> = $parse;
                parse(text.trim()).map(Self).map_err(D::Error::custom)
            }
        }
    };
}

value!(
    /// CPUs, in millicores.
    Cpu(u64),
    |text| Ok(quantity(text)?.thousandths())
);
value!(
    /// Memory or storage, in bytes.
    Amount(u64),
    |text| Ok(quantity(text)?.units())
);
value!(Count(u64), |text| text.parse().map_err(|_| format!("{text:?} is no number; expected one like 2")));
value!(
    /// A size of a node group.
    Nodes(u32),
    |text| text.parse().map_err(|_| format!("{text:?} is no number of nodes"))
);
value!(Flag(bool), |text| text.parse().map_err(|_| format!("{text:?} is neither true nor false")));
value!(
    /// The key of a label.
    #[derive(Eq, PartialOrd, Ord)]
    Key(String),
    |text| check_key(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
);
value!(
    /// The value of a label.
    Value(String),
    |text| check_value(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
);
value!(
    /// The name of an extended resource.
    #[derive(Eq, PartialOrd, Ord)]
    Resource(String),
    |text| {
        let named = text.contains('/') || text.starts_with("hugepages-");
        if named && check_key(text).is_ok() {
            return Ok(text.to_owned());
        }
        Err(format!("{text:?} is no extended resource; expected a name like nvidia.com/gpu"))
    }
);
value!(TaintText(Taint), |text| text
    .parse()
    .map_err(|error: crate::core::template::labels::LabelError| error.to_string()));
value!(
    /// A threshold of the kubelet's eviction.
    EvictionThreshold(Threshold),
    |text| parse_threshold(text)
        .ok_or_else(|| format!("{text:?} is no eviction threshold; expected one like 100Mi or 10%"))
);
value!(Architecture(&'static str), |text| kubernetes_architecture(text)
    .ok_or_else(|| format!("{text:?} is no architecture; expected one like amd64 or arm64")));
value!(Period(Duration), |text| match humantime::parse_duration(text) {
    Ok(period) if period <= MAX_PERIOD => Ok(period),
    Ok(_) => Err(format!("{text:?} is longer than a year")),
    Err(error) => Err(format!("{text:?} is no duration ({error}); expected one like 10m or 90s")),
});
value!(
    /// A share of the whole.
    Share(f64),
    |text| match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("{text:?} is no share; expected a number from 0 to 1, like 0.5")),
    }
);
value!(
    /// A price per hour.
    Price(f64),
    |text| match text.parse::<f64>() {
        Ok(price) if price.is_finite() && price >= 0.0 => Ok(price),
        _ => Err(format!("{text:?} is no price; expected a number that is not negative, like 0.25")),
    }
);

/// A value that must not be 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Positive<T>(pub(super) T);

impl<'de, T: Deserialize<'de> + Numeric> Deserialize<'de> for Positive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = T::deserialize(deserializer)?;
        if value.is_zero() {
            return Err(D::Error::custom("must be more than 0; leave the key out where the flavor tells"));
        }
        Ok(Self(value))
    }
}

/// What can be 0.
pub(super) trait Numeric {
    fn is_zero(&self) -> bool;
}

macro_rules! numeric {
    ($($name:ident),*) => {
        $(impl Numeric for $name {
            fn is_zero(&self) -> bool {
                self.0 == 0
            }
        })*
    };
}

numeric!(Cpu, Amount, Count);

fn quantity(text: &str) -> Result<Quantity, String> {
    text.parse().map_err(|error: crate::core::quantity::QuantityError| error.to_string())
}
