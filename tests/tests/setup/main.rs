//! Setting up an application: the one wrap, wrong set-ups and their messages, and an application's own tests.

mod mistakes;
mod one_wrap;
mod recorded;
