//! The causes of libraries' errors.

use std::error::Error;

/// The innermost cause, which is the most specific.
pub(crate) fn innermost<'a>(error: &'a (dyn Error + 'a)) -> &'a (dyn Error + 'a) {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost
}
