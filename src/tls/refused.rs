//! Why a server and we did not come together, as far as somebody can do something about it.

use std::io;

use rustls::{CertificateError, Error};

/// What happens most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nobody whom we trust signed its certificate, or it signed itself.
    Untrusted,
    /// Its certificate is for another name.
    OtherName,
    /// Its certificate has ended, or begins later: by the clock of this machine.
    OtherTime,
    /// It refuses us.
    ByServer,
    /// It does not speak TLS.
    PlainText,
}

impl Refused {
    /// `None`: something else, which the error says itself.
    pub fn of(why: &io::Error) -> Option<Refused> {
        let error = why.get_ref()?.downcast_ref::<Error>()?;
        match error {
            Error::InvalidCertificate(why) => match why {
                CertificateError::UnknownIssuer => Some(Refused::Untrusted),
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Some(Refused::OtherName),
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Some(Refused::OtherTime),
                // The library has no variant for it.
                other if other.to_string().contains("CaUsedAsEndEntity") => {
                    Some(Refused::Untrusted)
                }
                _ => None,
            },
            Error::AlertReceived(_) => Some(Refused::ByServer),
            Error::InvalidMessage(_) => Some(Refused::PlainText),
            _ => None,
        }
    }
}
