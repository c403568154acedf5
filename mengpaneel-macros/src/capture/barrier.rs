//! Constructs in which values cannot be captured.

/// Construct that keeps the bindings in it from being capture points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Barrier {
    Loop,
    Closure,
    AsyncBlock,
    /// Async block that the function returns, without `move`.
    BorrowingAsyncBlock,
    Constant,
    /// `let` without a value.
    NoValue,
}

impl Barrier {
    /// Returns the error text for a name that is bound only behind the barrier.
    pub(super) fn explain(self, name: &str) -> String {
        match self {
            Self::Loop => format!(
                "`{name}` is bound in a loop, perhaps many times: record it there, with `mengpaneel::track(…)`, or \
                 bind the value to record outside of the loop"
            ),
            Self::Closure => format!(
                "`{name}` is bound in a closure, which may run many times or never: record it there, with \
                 `mengpaneel::track(…)`, or bind the value to record outside of it"
            ),
            Self::AsyncBlock => format!(
                "`{name}` is bound in an async block, which may outlive the function: record it there, with \
                 `mengpaneel::track(…)`, or bind the value to record outside of it"
            ),
            Self::BorrowingAsyncBlock => format!(
                "`{name}` is bound in an async block that the function returns: write `async move`, or bind the \
                 value to record outside of it"
            ),
            Self::Constant => format!(
                "`{name}` is bound in a constant, which the compiler evaluates: bind the value to record outside \
                 of it"
            ),
            Self::NoValue => format!(
                "`{name}` is declared without a value: declare it with its value, `let {name} = …;`"
            ),
        }
    }
}
