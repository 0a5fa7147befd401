//! Reads the body of a request, for every endpoint.

use std::{error::Error, time::Duration};

use axum::body::{Body, Bytes, to_bytes};
use http_body_util::LengthLimitError;

use crate::model::ShopError;

/// How long a client may take to send a body. The time limit of the request begins afterwards:
/// while the body is incomplete, nothing has been done.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the whole body.
///
/// # Errors
/// [`ShopError::BodyUnfinished`] if it does not arrive within [`BODY_TIMEOUT`] or ends too early;
/// [`ShopError::BodyTooLarge`]; [`ShopError::Malformed`] if it is not encoded as HTTP requires.
pub async fn read(body: Body, bytes_max: usize) -> Result<Bytes, ShopError> {
    read_within(body, bytes_max, BODY_TIMEOUT).await
}

async fn read_within(body: Body, bytes_max: usize, limit: Duration) -> Result<Bytes, ShopError> {
    match tokio::time::timeout(limit, to_bytes(body, bytes_max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(reason(&error, bytes_max)),
        Err(_) => Err(ShopError::BodyUnfinished),
    }
}

fn reason(error: &axum::Error, bytes_max: usize) -> ShopError {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<LengthLimitError>() {
            return ShopError::BodyTooLarge {
                limit_bytes: bytes_max as u64,
            };
        }
        let http = error.downcast_ref::<hyper::Error>();
        if http.is_some_and(hyper::Error::is_incomplete_message) {
            return ShopError::BodyUnfinished;
        }
        source = error.source();
    }
    ShopError::Malformed("its body is not encoded correctly".to_owned())
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_or_refused_with_the_right_reason() {
        let read = |body: Body| read(body, 4);
        assert_eq!(read("1234".into()).await, Ok(Bytes::from("1234")));
        let too_large = ShopError::BodyTooLarge { limit_bytes: 4 };
        assert_eq!(read("12345".into()).await, Err(too_large));
        let broken = stream::iter([Ok("1"), Err(std::io::Error::other("a bad chunk"))]);
        let broken = read(Body::from_stream(broken)).await;
        assert!(matches!(broken, Err(ShopError::Malformed(_))), "{broken:?}");
    }

    #[tokio::test]
    async fn a_body_that_does_not_end_is_unfinished() {
        let endless = stream::pending::<Result<&str, std::io::Error>>();
        let unfinished = read_within(Body::from_stream(endless), 4, Duration::from_millis(1));
        assert_eq!(unfinished.await, Err(ShopError::BodyUnfinished));
    }
}
