//! Certificates, keys and authorities in files: whether they are good, and who is trusted.
//!
//! Owns: reading them, reading them again when they change, and what each connection with TLS is
//! made with.
//! Leaves alone: connections themselves (`server`, `callback`, `cli`).
//!
//! Order, downward: `serving`, `calling`, `refused`, `identity`, `trusted`, `verify`, `kept`, `shown`,
//! `certificate`, `pem`, `provider`.

mod calling;
mod certificate;
mod identity;
mod kept;
mod pem;
mod provider;
mod refused;
mod serving;
mod shown;
mod trusted;
mod verify;

pub use calling::{CallingFiles, CallingTls, calling_config};
pub use certificate::{ClientCertificate, San};
pub use kept::watch;
pub use refused::Refused;
pub use serving::{PortTls, ServingFiles};
pub use shown::{CertificateStatus, Shown};
