//! Tests that take real minutes: `make acceptance` runs them, `make test` does not.

mod cut_off;
mod frozen;
