//! Pages for people: one self-contained HTML document, without script and without anything from elsewhere, that reads the same from
//! the server, from a saved file and on paper. Text is escaped where it is written ([`maud`]); the policy is in the head too, so
//! that a saved copy keeps it.
//!
//! Not here: what a page says. That stands beside the resource it is about.

use std::fmt::Display;
use std::sync::LazyLock;

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::problem::Problem;

const STYLE: &str = include_str!("page/style.css");

/// Only this style may apply and only pictures that are in the page may be drawn: no script, no form, no address elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'")
});

/// A whole document.
pub(super) fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(*POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(concat!("trainyard ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// The document as an answer.
pub(super) fn answer(title: &str, body: &Markup) -> Result<Response, Problem> {
    let mut response = document(title, body).into_response();
    let policy = HeaderValue::from_str(&format!("{}; frame-ancestors 'self'", *POLICY)).map_err(Problem::internal)?;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// An SVG document as a picture: as an image it can run nothing, whatever is in it. `says` is read out in its place.
pub(super) fn picture(svg: &str, says: &str, caption: &str) -> Markup {
    let data = format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg));
    html! {
        figure {
            img.picture src=(data) alt=(says);
            @if !caption.is_empty() { figcaption { (caption) } }
        }
    }
}

/// Names with their values, as tiles.
pub(super) fn facts(facts: &[(&str, String)]) -> Markup {
    html! { dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } } }
}

/// A table; columns whose heading begins with `#` hold numbers and stand to the right.
pub(super) fn table(caption: &str, headings: &[&str], rows: &[Vec<Markup>]) -> Markup {
    let number = |place: usize| headings.get(place).is_some_and(|heading| heading.starts_with('#'));
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table {
                thead { tr { @for (place, heading) in headings.iter().enumerate() {
                    th.number[number(place)] scope="col" { (heading.trim_start_matches('#')) }
                } } }
                tbody { @for row in rows { tr { @for (place, cell) in row.iter().enumerate() {
                    td.number[number(place)] { (cell) }
                } } } }
            }
        }
    }
}

/// A verdict, a severity or a status as a coloured word with a mark, so that the colour says nothing alone.
pub(super) fn word(word: &str) -> Markup {
    match word {
        "passed" | "succeeded" => html! { span.word.good { "✓ " (word) } },
        "failed" | "error" => html! { span.word.bad { "✕ " (word) } },
        "warn" | "warning" | "cancelled" => html! { span.word.warn { "! " (word) } },
        _ => html! { span.word.muted { "· " (spaced(word)) } },
    }
}

/// JSON as a block of text.
pub(super) fn json(value: &Value) -> Markup {
    // A value that was read as JSON can be written as JSON.
    html! { pre { code { (serde_json::to_string_pretty(value).unwrap_or_default()) } } }
}

/// A number for a reader: four digits that matter, a dash where there is none.
pub(super) fn number(value: impl Into<Option<f64>>) -> String {
    match value.into().filter(|value| value.is_finite()) {
        None => "–".to_owned(),
        Some(value) => crate::plot::number(value, 4),
    }
}

/// `steps_too_small` as words.
pub(super) fn spaced(name: impl Display) -> String {
    name.to_string().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text_wherever_it_stands() {
        let evil = "<script>alert(1)</script>\" onload=\"x";
        let body = html! {
            h1 { (evil) }
            (facts(&[(evil, evil.to_owned())]))
            (picture("<svg><script>x</script></svg>", evil, evil))
            (table(evil, &[evil], &[vec![word(evil)]]))
            (json(&serde_json::json!({evil: evil})))
        };
        let page = document(evil, &body);
        assert!(!page.contains("<script") && !page.contains("\" onload=\""), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn a_page_names_nothing_from_elsewhere_and_allows_its_own_style_alone() {
        let page = document("a", &html! { p { "b" } });
        assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src=\"/"), "{page}");
        let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        assert!(
            page.contains(&format!("style-src &#39;sha256-{style}&#39;"))
                || page.contains(&format!("style-src 'sha256-{style}'"))
        );
        assert!(page.contains(&format!("<style>{STYLE}</style>")));
    }
}
