//! From everything that was found to what is reported, and what a mask makes of it.
//!
//! Order, downward: `evasion`, `mask`, `combos`, `hits`, `clusters`, `segments`,
//! `trailing`, `places`, `hit`.

mod clusters;
mod combos;
mod evasion;
mod hit;
mod hits;
mod mask;
mod places;
mod segments;
mod trailing;

pub(super) use self::clusters::Clusters;
pub(super) use self::combos::Combos;
pub use self::evasion::Evasion;
pub(super) use self::evasion::between;
pub(super) use self::hit::Hit;
pub(super) use self::hits::{Allowed, Hits};
pub use self::mask::{mask, mask_within};
pub(super) use self::places::Places;
pub(super) use self::segments::Segments;
