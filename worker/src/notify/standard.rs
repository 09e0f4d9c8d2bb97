//! The signature of Standard Webhooks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// `v1,` and the signature of `{id}.{timestamp}.{body}`.
pub(super) fn signature(key: &[u8], id: &str, at: i64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key)
        .map(|mac| mac.chain_update(format!("{id}.{at}.{body}")));
    // A key of any length does.
    mac.map_or_else(
        |_| String::new(),
        |mac| format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_specifications_example_says() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
