//! Conversations of other implementations, reproduced octet for octet.

use super::*;

/// NTLM as recorded: the messages and integrity codes of a file in `tests/vectors/spnego`.
#[derive(Clone, Debug)]
struct Recorded {
    /// The messages and, at last, the code, of the client and of the server.
    client: VecDeque<Vec<u8>>,
    server: VecDeque<Vec<u8>>,
    /// What the codes cover.
    mech_types: Vec<u8>,
}

impl Mechanism for Recorded {
    fn name(&self) -> &'static str {
        "NTLM"
    }

    fn oid(&self) -> &'static [u8] {
        oid::NTLM
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(self.clone())
    }
}

impl SecurityContext for Recorded {
    fn step(mut self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let token = self.client.pop_front().expect("a recorded message");
        if input.is_none() {
            return Ok(Step::Continue {
                token,
                context: self,
                expects: Expects::Challenge,
                proves: Proves::Nothing,
            });
        }
        assert_eq!(input.map(<[u8]>::to_vec), self.server.pop_front(), "the recorded challenge");
        let mut established = Established::new("NTLM", None, Binding::Connection);
        established.integrity = Some(self);
        Ok(Step::Complete { token: Some(token), established })
    }
}

impl MessageIntegrity for Recorded {
    fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, MechanismError> {
        assert_eq!(message, self.mech_types);
        Ok(self.client.pop_front().expect("the recorded code"))
    }

    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError> {
        assert_eq!(message, self.mech_types);
        assert_eq!(Some(mic.to_vec()), self.server.pop_front());
        Ok(())
    }
}

/// The tokens of a recording: `C` or `S` and hexadecimal octets on each line.
fn recording(text: &str) -> Vec<(char, Vec<u8>)> {
    let octets = |hex: &str| -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        (0..hex.len()).step_by(2).map(digit).collect()
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| (line.chars().next().expect("a side"), octets(&line[2..])))
        .collect()
}

#[test]
fn a_conversation_of_mit_krb5_and_gss_ntlmssp_is_reproduced_octet_for_octet() {
    let recorded = recording(include_str!("../../../../tests/vectors/spnego/ntlm_gssapi.txt"));
    let [('C', init), ('S', challenge), ('C', last), ('S', end)] = &recorded[..] else {
        panic!("four tokens, the client's first")
    };

    let decoded_init = NegTokenInit::decode(init).expect("a NegTokenInit");
    assert_eq!(decoded_init.oids, [oid::NTLM]);
    let negotiate = decoded_init.mech_token.expect("NTLM's first message");
    assert!(negotiate.starts_with(b"NTLMSSP\0\x01"));

    let decoded = NegTokenResp::decode(challenge).expect("a NegTokenResp");
    assert_eq!(decoded.state, Some(NegState::AcceptIncomplete));
    assert_eq!(decoded.supported_mech, Some(oid::NTLM));
    assert_eq!(decoded.mech_list_mic, None);
    let challenge_message = decoded.response_token.expect("NTLM's second message");
    assert!(challenge_message.starts_with(b"NTLMSSP\0\x02"));

    let decoded_last = NegTokenResp::decode(last).expect("a NegTokenResp");
    let authenticate = decoded_last.response_token.expect("NTLM's third message");
    assert!(authenticate.starts_with(b"NTLMSSP\0\x03"));
    // NTLM's signature: version 1, eight octets, sequence number 0 (MS-NLMP, section 2.2.2.9.1).
    let client_mic = decoded_last.mech_list_mic.expect("the client's code");
    assert_eq!((&client_mic[..4], &client_mic[12..]), (&[1, 0, 0, 0][..], &[0; 4][..]));

    let decoded_end = NegTokenResp::decode(end).expect("a NegTokenResp");
    assert_eq!((decoded_end.state, decoded_end.response_token), (Some(NegState::AcceptCompleted), None));
    let server_mic = decoded_end.mech_list_mic.expect("the server's code");

    for token in [challenge, last, end] {
        assert_eq!(&NegTokenResp::decode(token).expect("a NegTokenResp").encode(), token);
    }

    let replay = Recorded {
        client: [negotiate, authenticate, client_mic].map(<[u8]>::to_vec).into(),
        server: [challenge_message, server_mic].map(<[u8]>::to_vec).into(),
        mech_types: decoded_init.mech_types.to_vec(),
    };
    let (sent, context) = first(&Spnego::new(vec![Arc::new(replay)]));
    assert_eq!(&sent, init);
    let (sent, context) = went_on(context.step(Some(challenge)));
    assert_eq!(&sent, last);
    assert_eq!(completed(context.step(Some(end))).0, None);
}

#[test]
fn mit_krb5s_pick_of_the_second_mechanism_is_reproduced_octet_for_octet() {
    /// What stood where the ticket would be.
    #[derive(Debug)]
    struct NotATicket(Vec<u8>);
    impl Mechanism for NotATicket {
        fn name(&self) -> &'static str {
            "Kerberos"
        }
        fn oid(&self) -> &'static [u8] {
            oid::KERBEROS
        }
        fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
            Box::new(NotATicket(self.0.clone()))
        }
    }
    impl SecurityContext for NotATicket {
        fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
            let token = self.0.clone();
            Ok(Step::Continue { token, context: self, expects: Expects::Success, proves: Proves::Secret })
        }
    }

    let recorded = recording(include_str!("../../../../tests/vectors/spnego/request_mic_gssapi.txt"));
    let [('C', init), ('S', pick), ('C', second), ('S', challenge), ('C', last), ('S', end)] = &recorded[..]
    else {
        panic!("six tokens, the client's first")
    };
    let offer = NegTokenInit::decode(init).expect("a NegTokenInit");
    let [pick_, second_, challenge_, last_, end_] = [pick, second, challenge, last, end]
        .map(|token| NegTokenResp::decode(token).expect("a NegTokenResp"));
    assert_eq!(pick_.state, Some(NegState::RequestMic));

    let some = |octets: Option<&[u8]>| octets.expect("in the recording").to_vec();
    let ticket = NotATicket(some(offer.mech_token));
    let ntlm = Recorded {
        client: [second_.response_token, last_.response_token, last_.mech_list_mic].map(some).into(),
        server: [challenge_.response_token, end_.mech_list_mic].map(some).into(),
        mech_types: offer.mech_types.to_vec(),
    };
    let (sent, context) = first(&Spnego::new(vec![Arc::new(ticket), Arc::new(ntlm)]));
    assert_eq!(&sent, init);
    let (sent, context) = went_on(context.step(Some(pick)));
    assert_eq!(&sent, second);
    let (sent, context) = went_on(context.step(Some(challenge)));
    assert_eq!(&sent, last);
    let (sent, established) = completed(context.step(Some(end)));
    assert_eq!((sent, established.mechanism), (None, "NTLM"));
}
