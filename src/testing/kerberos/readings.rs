//! Kerberos' messages for the fuzzer.

use crate::mechanism::kerberos::gss::iakerb::{IakerbHeader, KrbFinished};
use crate::mechanism::kerberos::gss::{AuthenticatorChecksum, Token, TokenId};
use crate::mechanism::kerberos::messages::{
    ApRep, ApReq, Authenticator, AuthorizationData, EncApRepPart, EncKdcRepPart, EncTicketPart,
    EncryptedData, EtypeInfo2Entry, KdcRep, KdcReq, KdcReqBody, KrbError, Message, PaData, PaEncTsEnc,
    Ticket,
};

/// Every message of Kerberos that these octets are: its name, and what it encodes to. For the fuzz targets.
#[doc(hidden)]
pub fn kerberos_readings(octets: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let messages = [
        reading::<ApRep<'_>>(octets),
        reading::<ApReq<'_>>(octets),
        reading::<Authenticator<'_>>(octets),
        reading::<EncApRepPart<'_>>(octets),
        reading::<EncKdcRepPart<'_>>(octets),
        reading::<EncTicketPart<'_>>(octets),
        reading::<EncryptedData<'_>>(octets),
        reading::<IakerbHeader<'_>>(octets),
        reading::<KdcRep<'_>>(octets),
        reading::<KdcReq<'_>>(octets),
        reading::<KdcReqBody<'_>>(octets),
        reading::<KrbError<'_>>(octets),
        reading::<KrbFinished<'_>>(octets),
        reading::<PaEncTsEnc>(octets),
        reading::<Ticket<'_>>(octets),
        reading::<Vec<AuthorizationData<'_>>>(octets),
        reading::<Vec<EtypeInfo2Entry<'_>>>(octets),
        reading::<Vec<PaData<'_>>>(octets),
    ];
    let mut readings: Vec<_> = messages.into_iter().flatten().collect();
    if let Ok(token) = Token::decode(octets) {
        readings.push(("token", token.encode()));
        if token.id == TokenId::IakerbProxy {
            let token = IakerbHeader::split(token.message).map(|(header, message)| header.token(message));
            readings.extend(token.map(|token| ("IAKERB token", token)));
        }
    }
    if let Ok(checksum) = AuthenticatorChecksum::decode(octets) {
        readings.push(("checksum", checksum.encode()));
    }
    readings
}

fn reading<'a, M: Message<'a>>(octets: &'a [u8]) -> Option<(&'static str, Vec<u8>)> {
    M::decode(octets).ok().map(|message| (M::NAME, message.encode()))
}
