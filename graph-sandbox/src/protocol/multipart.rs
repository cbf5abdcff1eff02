//! Bodies of type `multipart/form-data`.

use std::convert::Infallible;

use axum::body::Bytes;
use futures::{FutureExt, stream};
use multer::Multipart;

use super::error::GraphError;
use super::params::Params;

/// Adds the fields of a form; of a file only its name is kept.
pub(super) fn add(params: &mut Params, content_type: &str, body: Bytes) -> Result<(), GraphError> {
    let boundary = multer::parse_boundary(content_type).map_err(|_| malformed())?;
    let form = Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary);
    // The whole body is there already, so nothing is ever waited for.
    read(params, form).now_or_never().unwrap_or_else(|| Err(malformed()))
}

async fn read(params: &mut Params, mut form: Multipart<'_>) -> Result<(), GraphError> {
    while let Some(field) = form.next_field().await.map_err(|_| malformed())? {
        let Some(name) = field.name().map(str::to_owned) else {
            continue;
        };
        let file = field.file_name().map(str::to_owned);
        let content = field.bytes().await.map_err(|_| malformed())?;
        let value = file.unwrap_or_else(|| String::from_utf8_lossy(&content).into_owned());
        params.add(name, value);
    }
    Ok(())
}

fn malformed() -> GraphError {
    GraphError::parameter("The multipart body of the request is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=xyz";

    fn read_all(content_type: &str, body: &'static str) -> Result<Vec<(String, String)>, GraphError> {
        let mut params = Params::default();
        add(&mut params, content_type, Bytes::from_static(body.as_bytes()))?;
        Ok(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn fields_and_file_names_become_parameters() {
        let body = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz\r\n\
                    Content-Disposition: form-data; name=\"f\"; filename=\"x.png\"\r\n\r\nbytes\r\n--xyz--\r\n";
        let pairs = [("a", "1"), ("f", "x.png")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read_all(TYPE, body).unwrap(), pairs);
    }

    #[test]
    fn broken_forms_are_refused() {
        let headless = "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1";
        for (content_type, body) in
            [("multipart/form-data", headless), (TYPE, headless), (TYPE, "a=b"), (TYPE, "--xyz")]
        {
            assert_eq!(read_all(content_type, body).unwrap_err().code, 100, "{content_type} {body}");
        }
    }
}
