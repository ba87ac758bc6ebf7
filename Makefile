# Everything from a fresh clone: `make demo`, `make test`. `make check` is the quick look.
PYTHON ?= $(shell for p in /usr/bin/python3 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
# run as root; the variables named are the ones that survive sudo
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo --preserve-env=NETBOOT_CACHE,CI)
export NETBOOT_CACHE ?= $(CURDIR)/.cache

.PHONY: help demo test check bench docs lint unit system lock clean
help:
	@echo "make demo   a virtual machine network-boots into the Debian installer"
	@echo "make test   every test, real firmware included"
	@echo "make check  lint, types, import arrows, unit tests; under a minute"
	@echo "make bench  speed beside dnsmasq, tftpd-hpa, atftpd and nginx"

# One stamp a step, so that a second run starts at once.
.cache/system.stamp: packages.txt
	@mkdir -p .cache
	tools/install-packages packages.txt
	@touch $@

$(VENV)/stamp: requirements.lock pyproject.toml | .cache/system.stamp
	@test -n "$(PYTHON)" || { echo "netboot needs Python 3.11 or later"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

system: .cache/system.stamp

demo: $(VENV)/stamp
	$(AS_ROOT) $(BIN)/python -m netboot.lab.demo

lint: $(VENV)/stamp
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

unit: $(VENV)/stamp
	$(BIN)/python -m pytest -q -n auto -m "not root and not firmware and not mirror"

check: lint unit

test: $(VENV)/stamp lint
	$(AS_ROOT) $(BIN)/python -m pytest

bench: $(VENV)/stamp
	$(AS_ROOT) $(BIN)/python -m benchmarks.run --size full

docs: $(VENV)/stamp
	$(BIN)/python docs/generate.py

lock:
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements.lock

clean:
	rm -rf $(VENV) .cache dist
