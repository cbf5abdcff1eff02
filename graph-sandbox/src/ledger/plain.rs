//! What of a request's words may be noted.

use url::Url;

const OTHER: &str = "<other>";

/// Lower-case words and numbers are noted as they are: no token looks like that.
pub(crate) fn is_plain_word(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A word as it is noted: itself, if it is plain.
pub(crate) fn plain_word(text: &str) -> String {
    if is_plain_word(text) { text.to_owned() } else { OTHER.to_owned() }
}

/// A URL cut to scheme, host and path.
pub(crate) fn plain_url(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => {
            format!("{}{}", url.origin().ascii_serialization(), url.path())
        }
        _ => OTHER.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_noted() {
        assert_eq!(plain_word("subscribed_apps"), "subscribed_apps");
        for odd in ["EAAsandbox", "a b", "a|b", "a%20", "é"] {
            assert_eq!(plain_word(odd), OTHER, "{odd}");
        }
    }

    #[test]
    fn urls_lose_user_query_and_fragment() {
        assert_eq!(plain_url("https://u:p@hooks.example.com/a/b?t=x#y"), "https://hooks.example.com/a/b");
        assert_eq!(plain_url("https://hooks.example.com:8443/"), "https://hooks.example.com:8443/");
        assert_eq!(plain_url("nonsense"), OTHER);
    }
}
