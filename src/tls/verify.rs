//! Who is believed to be who they say: what authorities signed, and certificates that are trusted
//! themselves.
//!
//! A certificate that signed itself is usually marked as an authority (`openssl req -x509` does
//! so), and as such the library takes it for nobody's own. When the very same certificate is
//! named as trusted, it is.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate::Certificate;

/// Certificates that are trusted when they themselves are shown.
#[derive(Debug)]
pub(super) struct Pins(pub(super) Vec<CertificateDer<'static>>);

impl Pins {
    /// `None`: it is none of them.
    fn check(&self, shown: &CertificateDer<'_>, now: UnixTime) -> Option<Result<(), Error>> {
        if !self.0.iter().any(|pin| pin.as_ref() == shown.as_ref()) {
            return None;
        }
        let Ok(certificate) = Certificate::read(shown) else {
            return Some(Err(CertificateError::BadEncoding.into()));
        };
        let now = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        Some(dated(&certificate, now))
    }
}

fn dated(certificate: &Certificate, now: SystemTime) -> Result<(), Error> {
    if certificate.not_after < now {
        return Err(CertificateError::Expired.into());
    }
    if certificate.not_before > now {
        return Err(CertificateError::NotValidYet.into());
    }
    Ok(())
}

/// Verifies a server.
#[derive(Debug)]
pub(super) struct Servers {
    /// `None` where the pins are all.
    pub(super) authorities: Option<Arc<dyn ServerCertVerifier>>,
    pub(super) pins: Pins,
    /// Good under any name: their files say whose they are.
    pub(super) known: Pins,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Servers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(checked) = self.known.check(end_entity, now) {
            return checked.map(|()| ServerCertVerified::assertion());
        }
        match self.pins.check(end_entity, now) {
            None => match &self.authorities {
                Some(authorities) => authorities.verify_server_cert(
                    end_entity,
                    intermediates,
                    server_name,
                    ocsp_response,
                    now,
                ),
                None => Err(CertificateError::UnknownIssuer.into()),
            },
            Some(checked) => {
                checked?;
                // One that names nobody is for whoever it was named for here.
                if Certificate::read(end_entity).is_ok_and(|shown| !shown.names.is_empty()) {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Verifies a client.
#[derive(Debug)]
pub(super) struct Clients {
    /// `None` where the pins are all.
    pub(super) authorities: Option<Arc<dyn ClientCertVerifier>>,
    pub(super) pins: Pins,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// A connection without a certificate is refused.
    pub(super) required: bool,
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        let authorities = self.authorities.as_deref();
        authorities.map_or(&[], ClientCertVerifier::root_hint_subjects)
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.pins.check(end_entity, now) {
            None => match &self.authorities {
                Some(authorities) => authorities.verify_client_cert(end_entity, intermediates, now),
                None => Err(CertificateError::UnknownIssuer.into()),
            },
            Some(checked) => checked.map(|()| ClientCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
