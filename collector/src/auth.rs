//! Who asks: bearer tokens, compared by their SHA-256.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use model::TenantName;
use sha2::{Digest, Sha256};

/// A token of the configuration. The secret itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What people call it, for messages.
    pub name: String,
    /// The SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// Whose data it writes and reads.
    pub tenant: TenantName,
    /// Whether it may send telemetry.
    pub write: bool,
    /// Whether it may ask.
    pub read: bool,
}

impl Token {
    /// What a configuration holds of a secret.
    pub fn digest(secret: &str) -> [u8; 32] {
        Sha256::digest(secret.as_bytes()).into()
    }
}

/// What a token must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Sending telemetry.
    Write,
    /// Asking.
    Read,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It carries no bearer token: 401.
    #[error("a token is required: send the header `Authorization: Bearer TOKEN`")]
    Missing,
    /// Its token is not configured: 401.
    #[error("the token is not known")]
    Unknown,
    /// Its token may do other things only: 403.
    #[error("the token {name:?} may not {scope}")]
    Forbidden {
        /// What people call the token.
        name: String,
        /// What it may not.
        scope: Scope,
    },
}

/// The tenant of the token that `headers` carry; `None` if no token is configured, and all may.
pub fn authenticate(
    tokens: &[Token],
    headers: &HeaderMap,
    scope: Scope,
) -> Result<Option<TenantName>, AuthError> {
    if tokens.is_empty() {
        return Ok(None);
    }
    let digest = Token::digest(bearer(headers).ok_or(AuthError::Missing)?);
    // Every token is compared, so the time taken does not tell which one came near.
    let mut found = None;
    for token in tokens {
        if equal(&token.sha256, &digest) {
            found = Some(token);
        }
    }
    let token = found.ok_or(AuthError::Unknown)?;
    let allowed = match scope {
        Scope::Write => token.write,
        Scope::Read => token.read,
    };
    if allowed {
        Ok(Some(token.tenant.clone()))
    } else {
        Err(AuthError::Forbidden { name: token.name.clone(), scope })
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim_start())
}

/// Compares in constant time.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let mut difference = 0;
    for (a, b) in a.iter().zip(b) {
        difference = std::hint::black_box(difference | (a ^ b));
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, write: bool, read: bool) -> Token {
        let tenant = TenantName::new(&format!("{name}-tenant")).unwrap();
        Token { name: name.to_owned(), sha256: Token::digest(&format!("{name}-secret")), tenant, write, read }
    }

    #[test]
    fn tokens_open_what_they_say() {
        let tokens = [token("w", true, false), token("r", false, true)];
        let unknown = Err("the token is not known".to_owned());
        let missing = Err("a token is required: send the header `Authorization: Bearer TOKEN`".to_owned());
        let cases = [
            (None, Scope::Write, missing.clone()),
            (Some("Basic w-secret"), Scope::Write, missing.clone()),
            (Some("Bearer"), Scope::Write, missing),
            (Some("Bearer w-secre"), Scope::Write, unknown.clone()),
            (Some("Bearer W-SECRET"), Scope::Write, unknown),
            (Some("Bearer w-secret"), Scope::Write, Ok("w-tenant".to_owned())),
            (Some("bearer  w-secret"), Scope::Write, Ok("w-tenant".to_owned())),
            (Some("Bearer w-secret"), Scope::Read, Err("the token \"w\" may not read".to_owned())),
            (Some("Bearer r-secret"), Scope::Write, Err("the token \"r\" may not write".to_owned())),
            (Some("Bearer r-secret"), Scope::Read, Ok("r-tenant".to_owned())),
        ];
        for (header, scope, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(AUTHORIZATION, header.parse().unwrap());
            }
            let found = authenticate(&tokens, &headers, scope);
            let found = found.map(|tenant| tenant.unwrap().to_string()).map_err(|error| error.to_string());
            assert_eq!(found, expected, "{header:?} {scope}");
        }
    }

    #[test]
    fn without_tokens_all_may() {
        assert_eq!(authenticate(&[], &HeaderMap::new(), Scope::Write), Ok(None));
    }
}
