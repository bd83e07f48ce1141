//! What takes real minutes: run by `make acceptance`, not by `make test`.

mod contract;
mod quiet;
