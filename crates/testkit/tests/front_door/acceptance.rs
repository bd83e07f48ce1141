//! Tests that take minutes of real time. `make acceptance` runs them; `make test` does not.

mod contract;
mod quiet;
