# The tasks of people and machines in this repository; `make` alone lists them.

TARGET    := $(or $(CARGO_TARGET_DIR),target)
# The crates with features, each as nothing else builds it: alone, and with the sets that the workspace as a whole does not use.
FEATURES  := 'transom-cli --no-default-features --features agent-only' transom-model 'transom-model --features openapi' \
             'transom-testkit --no-default-features' 'transom-testkit --no-default-features --features components'
WEB_FILES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -path 'web/.tests/*' -not -path 'web/e2e/*')

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build agent demo dev screenshots unit test acceptance compat bench bench-devices check setup-build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: web/dist ## build the console page and the program (target/release/transom)
	cargo build --release -p transom-cli

agent: ## build the small program for devices (target/small/transom): only agent and connect
	cargo build --profile small -p transom-cli --no-default-features --features agent-only

demo: build ## build, then open a console on the built-in test desktop
	@$(TARGET)/release/transom demo $(ARGS)

dev: web/dist ## run the demo, and build and start it again at each change of a source (Ctrl-C ends it)
	@scripts/dev.sh $(ARGS)

screenshots: build ## make the pictures of the README (docs/images)
	@scripts/setup.sh test
	@scripts/screenshots.sh $(TARGET)/release/transom

unit: web/dist ## run the tests that need no other program: no browser, QEMU, Java or PostgreSQL
	@scripts/setup.sh unit
	cargo nextest run --workspace --lib --bins --test layers --test fuzz --test conformance --profile unit

test: web/dist ## set up real peers (Chromium, Xvnc, QEMU, PostgreSQL) and run every test
	@scripts/setup.sh test
	npm --prefix web test
	cargo test --workspace --doc
	cargo nextest run --workspace

acceptance: build ## run all tests, including those of faults that take real minutes (manually; CONTRIBUTING.md)
	@scripts/setup.sh test
	cargo nextest run --workspace --profile acceptance $(ARGS)
	cargo build --release -p transom-bench
	$(TARGET)/release/transom-bench endurance

compat: web/dist ## run an earlier version's agent and node beside today's (REF=COMMIT; by default the last of compat/releases)
	@scripts/setup.sh test
	@earlier=$$(scripts/compat.sh $(REF)) && TRANSOM_EARLIER=$$earlier cargo nextest run -p transom-cli --profile compat

bench: build ## measure the gateway beside websockify and nginx (about ten minutes; bench/README.md)
	@bench/setup.sh
	cargo build --release -p transom-bench
	$(TARGET)/release/transom-bench compare $(ARGS)
	$(TARGET)/release/transom-bench soak

bench-devices: build ## measure agents and the relay beside rathole (about fifteen minutes; bench/README.md)
	@bench/setup.sh devices
	cargo build --release -p transom-bench
	$(TARGET)/release/transom-bench devices $(ARGS)

check: web/dist ## check formatting, lints, documentation, types, spelling and dependency rules
	@scripts/setup.sh check
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@set -e; for features in $(FEATURES); do echo "clippy: -p $$features"; cargo clippy --quiet --locked -p $$features -- -D warnings; done
	cp Cargo.lock fuzz/Cargo.lock && cargo check --manifest-path fuzz/Cargo.toml --target-dir $(TARGET)
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps
	npm --prefix web run check
	git ls-files -z | xargs -0 target/codespell/bin/codespell
	cargo deny --locked check --allow unused-wrapper --allow license-not-encountered bans licenses sources
	@if GIT_TERMINAL_PROMPT=0 timeout 60 cargo deny fetch db 2>/dev/null; then cargo deny check advisories; \
	else echo 'advisories: not checked, because their database is unreachable'; fi

setup-build:
	@scripts/setup.sh build

# The folder itself is the target. The build empties and refills it, and `touch` makes it newer than
# its sources.
web/dist: $(WEB_FILES) | setup-build
	npm --prefix web run build || { rm -rf $@; exit 1; }
	@touch $@
