use hellosales_simulator::Issuer;
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://issuer.example/user_management/client_1";

struct Door {
    issuer: Issuer,
    key: DecodingKey,
}

impl Door {
    fn new() -> Self {
        let issuer = Issuer::ephemeral().unwrap();
        let jwk = &issuer.jwks()["keys"][0];
        let key = DecodingKey::from_rsa_components(jwk["n"].as_str().unwrap(), jwk["e"].as_str().unwrap()).unwrap();
        Self { issuer, key }
    }

    fn try_with(&self, verifier: &Verifier, header: &Value, claims: &Value) -> Result<Bearer, ErrorCode> {
        let token = self.issuer.sign(header, claims);
        Verifier::key_id(&token).and_then(|_| verifier.verify(&token, &self.key)).map_err(|problem| problem.code())
    }

    fn open(&self, claims: &Value) -> Result<Bearer, ErrorCode> {
        self.try_with(&verifier(None), &json!({"alg": "RS256", "typ": "JWT", "kid": "k"}), claims)
    }

    fn open_with(&self, header: &Value) -> Result<Bearer, ErrorCode> {
        self.try_with(&verifier(None), header, &claims())
    }
}

fn verifier(audience: Option<&str>) -> Verifier {
    Verifier::new(&[format!("{ISSUER}/")], audience)
}

fn now() -> i64 {
    crate::clock::now().timestamp()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "user_1", "exp": now() + 600, "org_id": "org_1", "role": "manager", "name": "Ana", "email": "ana@example.com"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[test]
fn a_good_token_says_who_and_what() {
    let bearer = Door::new().open(&claims()).unwrap();
    assert_eq!((bearer.claims.subject.as_str(), bearer.claims.org.as_str()), ("user_1", "org_1"));
    assert_eq!(bearer.claims.role, "manager");
    assert!(bearer.permissions.contains(&Permission::DlqManage));
    assert!(bearer.claims.provider.chars().count() <= 50);
}

#[test]
fn an_issuer_is_believed_with_and_without_a_slash_at_its_end_and_no_other() {
    let door = Door::new();
    assert!(door.open(&with("iss", json!(format!("{ISSUER}/")))).is_ok());
    for iss in [json!("https://evil.example"), json!(format!("{ISSUER}2")), json!([ISSUER]), json!(null)] {
        assert_eq!(door.open(&with("iss", iss)).unwrap_err(), ErrorCode::TokenInvalid);
    }
}

#[test]
fn exp_iss_and_sub_must_be_there() {
    let door = Door::new();
    for name in ["exp", "iss", "sub"] {
        assert_eq!(door.open(&without(name)).unwrap_err(), ErrorCode::TokenInvalid, "{name}");
    }
    for (name, value) in [
        ("sub", json!("")),
        ("sub", json!("a\u{0}b")),
        ("sub", json!("x".repeat(256))),
        ("exp", json!("soon")),
        ("exp", json!(-1e40)),
    ] {
        assert_eq!(door.open(&with(name, value)).unwrap_err(), ErrorCode::TokenInvalid, "{name}");
    }
}

#[test]
fn times_are_held_with_half_a_minute_of_leeway() {
    let door = Door::new();
    assert!(door.open(&with("exp", json!(now() - 20))).is_ok());
    assert_eq!(door.open(&with("exp", json!(now() - 40))).unwrap_err(), ErrorCode::TokenExpired);
    assert!(door.open(&with("nbf", json!(now() + 20))).is_ok());
    assert_eq!(door.open(&with("nbf", json!(now() + 40))).unwrap_err(), ErrorCode::TokenInvalid);
}

#[test]
fn no_organisation_is_a_403() {
    let door = Door::new();
    assert_eq!(door.open(&without("org_id")).unwrap_err(), ErrorCode::OrgRequired);
    assert_eq!(door.open(&with("org_id", json!(""))).unwrap_err(), ErrorCode::OrgRequired);
}

#[test]
fn only_rs256_is_read() {
    let door = Door::new();
    for alg in ["none", "None", "HS256", "RS384", "PS256", "ES256", "rs256", ""] {
        assert_eq!(door.open_with(&json!({"alg": alg})).unwrap_err(), ErrorCode::TokenInvalid, "{alg}");
    }
    assert_eq!(
        door.open_with(&json!({"alg": "RS256", "crit": ["b64"], "b64": false})).unwrap_err(),
        ErrorCode::TokenInvalid
    );
    assert_eq!(door.open_with(&json!({"alg": "RS256", "kid": 7})).unwrap_err(), ErrorCode::TokenInvalid);
}

#[test]
fn keys_that_a_token_brings_along_are_ignored() {
    let door = Door::new();
    let other = Door::new();
    let mut jwk = other.issuer.jwks()["keys"][0].clone();
    let header = json!({"alg": "RS256", "kid": "k", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5", "jwk": jwk});
    assert!(door.open_with(&header).is_ok());
    jwk["kid"] = json!("k");
    let forged = other.issuer.sign(&json!({"alg": "RS256", "kid": "k", "jwk": jwk}), &claims());
    assert_eq!(verifier(None).verify(&forged, &door.key).unwrap_err().code(), ErrorCode::TokenInvalid);
}

#[test]
fn a_changed_token_is_refused() {
    let door = Door::new();
    let token = door.issuer.sign(&json!({"alg": "RS256"}), &claims());
    let parts: Vec<&str> = token.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(with("org_id", json!("org_2")).to_string());
    for token in [
        format!("{}.{other}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        token.clone() + ".x",
    ] {
        assert_eq!(verifier(None).verify(&token, &door.key).unwrap_err().code(), ErrorCode::TokenInvalid);
    }
    for junk in ["", "a", "a.b.c", "é.é.é"] {
        assert!(Verifier::key_id(junk).is_err());
    }
}

#[test]
fn an_audience_is_held_only_if_one_is_asked_for() {
    let door = Door::new();
    let header = json!({"alg": "RS256"});
    assert!(door.open(&with("aud", json!("anyone"))).is_ok());
    let strict = verifier(Some("hellosales"));
    assert!(door.try_with(&strict, &header, &with("aud", json!(["x", "hellosales"]))).is_ok());
    assert_eq!(door.try_with(&strict, &header, &with("aud", json!("other"))).unwrap_err(), ErrorCode::TokenInvalid);
    assert_eq!(door.try_with(&strict, &header, &claims()).unwrap_err(), ErrorCode::TokenInvalid);
}
