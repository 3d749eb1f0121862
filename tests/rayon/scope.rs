//! Throttled jobs in a rayon scope.

mod alone;
mod scoped;
