# Everything from a fresh clone: `make demo`, `make test`. `make check` is the quick look.
PYTHON ?= $(shell for p in /usr/bin/python3 python3; do $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
# run as root; the variables named are the ones that survive sudo
AS_ROOT := $(shell [ "$$(id -u)" = 0 ] || echo sudo --preserve-env=NETBOOT_CACHE,CI)
export NETBOOT_CACHE ?= $(CURDIR)/.cache
# processes that share `make test`; each boots up to two machines of 1 GiB, and waits a third of its time
WORKERS ?= 3
# hundreds of netboot's processes start in the tests: compiled once, not each time
unexport PYTHONDONTWRITEBYTECODE
# on a machine busy with real firmware: named with their tracebacks, and counted in the last line
RERUNS := --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks

# where make image has things from, if set; docs/deploy.md
BUILD_ARGS := BASE_IMAGE DEBIAN_MIRROR DEBIAN_SECURITY_MIRROR PIP_INDEX_URL

# where make install puts things; DESTDIR stands before all of it
PREFIX ?= /usr/local
OWN    := $(PREFIX)/lib/netboot

.PHONY: help demo test check bench docs lint unit system lock clean install image
help:
	@echo "make demo   a virtual machine network-boots into the Debian installer"
	@echo "make test   every test, real firmware included"
	@echo "make check  lint, types, import arrows, unit tests; under a minute"
	@echo "make bench  speed beside dnsmasq, tftpd-hpa, atftpd and nginx"
	@echo "make install  netboot and its systemd unit below $(PREFIX)"
	@echo "make image  the container image, by docker"

# One stamp a step, so that a second run starts at once.
.cache/system.stamp: packages.txt
	@mkdir -p .cache
	tools/install-packages packages.txt
	@touch $@

$(VENV)/stamp: requirements.lock pyproject.toml | .cache/system.stamp
	@test -n "$(PYTHON)" || { echo "netboot needs Python 3.11 or later"; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
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
	$(BIN)/python -m pytest -q -n logical -m "not root and not firmware and not mirror and not slow"

check: lint unit

test: $(VENV)/stamp lint
	$(AS_ROOT) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(RERUNS)

bench: $(VENV)/stamp
	$(AS_ROOT) $(BIN)/python -m benchmarks.run --size full

docs: $(VENV)/stamp
	$(BIN)/python docs/generate.py

# an environment of its own with what is locked to run, a command, a unit, a user, a configuration
install:
	@test -n "$(PYTHON)" || { echo "netboot needs Python 3.11 or later"; exit 2; }
	$(PYTHON) -m venv --clear $(DESTDIR)$(OWN)
	$(DESTDIR)$(OWN)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-run.lock
	$(DESTDIR)$(OWN)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation .
	$(if $(DESTDIR),grep -lIr "$(DESTDIR)" $(DESTDIR)$(OWN)/bin $(DESTDIR)$(OWN)/pyvenv.cfg | xargs sed -i "s|$(DESTDIR)||g")
	install -d $(DESTDIR)$(PREFIX)/bin
	ln -sfn $(OWN)/bin/netboot $(DESTDIR)$(PREFIX)/bin/netboot
	install -D -m 0644 packaging/netboot.service $(DESTDIR)$(PREFIX)/lib/systemd/system/netboot.service
	sed -i "s|^ExecStart=|&$(PREFIX)/bin/|" $(DESTDIR)$(PREFIX)/lib/systemd/system/netboot.service
	install -D -m 0644 packaging/netboot.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/netboot.conf
	test -e $(DESTDIR)/etc/netboot/netboot.toml || \
	  install -D -m 0644 packaging/netboot.toml $(DESTDIR)/etc/netboot/netboot.toml
	@echo "next: systemd-sysusers && systemctl daemon-reload && systemctl enable --now netboot"

image:
	docker build --file docker/Dockerfile --target netboot --tag netboot \
	  $(foreach each,$(BUILD_ARGS),$(if $($(each)),--build-arg $(each))) .

lock:
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements.lock
	echo hatchling | uv pip compile pyproject.toml - --constraint requirements.lock \
	  --python-version 3.11 --universal \
	  --generate-hashes --no-header --no-annotate -o requirements-run.lock

clean:
	rm -rf $(VENV) .cache dist
