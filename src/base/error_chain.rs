//! Errors of libraries: what is at the bottom of them.

use std::error::Error;

/// The innermost cause, which says most.
pub(crate) fn innermost<'a>(error: &'a (dyn Error + 'a)) -> &'a (dyn Error + 'a) {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost
}
