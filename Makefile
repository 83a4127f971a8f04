# Needs python3 (3.11 or newer) and make; everything else is installed into .venv/ and node_modules/
# from the lock files. An install is repeated when its lock file or the Python version has changed,
# or when the last one was interrupted: the stamp is written last. (The tests need Chromium as well.)

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
UV_COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"
# Two tests for each core at a time, as every other one waits for what it has started.
WORKERS ?= $(shell expr 2 '*' $$(nproc))
# Where tests without processes of their own keep their files: in memory, if 2 GB are free there,
# since what they wait for most is the disk.
MEMORY = $(shell df --output=avail /dev/shm 2>/dev/null | awk '$$1 + 0 > 2000000 { print "/dev/shm" }')
# What pages load is collected from packages of npm and from app/static/; the folders are named so
# that a file that has gone counts as well.
BUILT := build/static/manifest.json
BUILT_FROM = package-lock.json app/pages/asset_build.py $(shell find app/static)
CHROMIUM = command -v chromium || command -v chromium-browser || command -v google-chrome
# The tests start hundreds of processes; each would compile the code anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test bench soak doubles lock clean screens venv install install-dev \
	chromium node_modules assets

help:  ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

run: install  ## Start the server on http://127.0.0.1:8000; Ctrl-C stops it
	@exec $(PY) -m workers

test: install-dev chromium  ## Check format, lint, layers and types, then run the tests
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check . || { echo "Not formatted: $(PY) -m ruff format ."; exit 1; }
	@report=$$($(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint(["--no-cache"])' 2>&1) \
		|| { echo "$$report"; exit 1; }
	@$(PY) -m mypy --no-error-summary
	@PYTEST_DEBUG_TEMPROOT=$(MEMORY) $(PY) -m pytest --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder

screens: install-dev chromium  ## Take pictures of all screens into screens/
	@$(PY) -m tests.browser.screens

bench: install-dev  ## Measure speed, memory and scale; prints a table
	@$(PY) -m bench

soak: install-dev  ## Run the fault tests with all their rounds
	@ROUNDS=all $(PY) -m pytest tests/faults

doubles: install-dev  ## Run doubles of Slack, Teams, PagerDuty, ServiceNow, a webhook sink and a mail server on loopback
	@exec $(PY) -m tests.servers.doubles

lock: install  ## Write both lock files from requirements*.in (UPGRADE=--upgrade: newest versions)
	@$(PIP) install -qq uv
	@$(UV_COMPILE) $(UPGRADE) requirements.in --output-file requirements.txt
	@$(UV_COMPILE) $(UPGRADE) requirements-dev.in --output-file requirements-dev.txt
	@$(UV_COMPILE) $(UPGRADE) requirements-node.in --output-file requirements-node.txt

clean:  ## Remove .venv/, node_modules/ and all caches; the data in var/ stays
	@rm -rf $(VENV) node_modules build/static screens .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(1): lock file, $(2): stamp
define install_locked
	@wanted=$$({ cat $(1); $(PY) --version; } | sha256sum); \
	if [ "$$wanted" != "$$(cat $(VENV)/$(2) 2>/dev/null)" ]; then \
		echo "Installing $(1) into $(VENV)/ ..."; \
		rm -f $(VENV)/$(2); \
		$(PIP) install -qq --require-hashes --requirement $(1) || exit 1; \
		echo "$$wanted" > $(VENV)/$(2); \
	fi
endef

install: venv node_modules
	$(call install_locked,requirements.txt,installed)
	@$(MAKE) --no-print-directory --silent assets

install-dev: OMIT :=
install-dev: install
	$(call install_locked,requirements-dev.txt,installed-dev)

# The stamp says `all` when what only tests need is there as well, which serves `make run` too.
OMIT := --omit=dev
node_modules: venv
	@wanted=$$(sha256sum < package-lock.json); have=$$(cat $@/installed 2>/dev/null); \
	if [ "$$have" != "$$wanted all" ] && { [ -z "$(OMIT)" ] || [ "$$have" != "$$wanted" ]; }; then \
		echo "Installing package-lock.json into $@/ ..."; \
		$(NPM); \
		"$$npm" ci --ignore-scripts --silent --no-audit --no-fund $(OMIT) \
			|| { echo "npm could not install package-lock.json"; exit 1; }; \
		echo "$$wanted$(if $(OMIT),, all)" > $@/installed; \
	fi

# A shell's way to $$npm: that of the machine, or one from PyPI where its Node.js is missing or old.
define NPM
npm=npm; \
if ! npm --version >/dev/null 2>&1 \
	|| ! node -e 'process.exit(+(process.versions.node.split(".")[0] < 18))' >/dev/null 2>&1; then \
	npm=$(VENV)/bin/npm; \
	echo "Installing requirements-node.txt into $(VENV)/, as there is no Node.js 18 or newer ..."; \
	$(PIP) install -qq --require-hashes --requirement requirements-node.txt || exit 1; \
fi
endef

assets: $(BUILT)

$(BUILT): $(BUILT_FROM)
	@$(PY) -m app.pages.asset_build

chromium:
	@{ $(CHROMIUM); } >/dev/null || { \
		if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing Chromium for the tests of the screens ..."; \
			apt-get update -qq >/dev/null; \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
				chromium fonts-liberation >/dev/null; \
		fi; \
		{ $(CHROMIUM); } >/dev/null \
			|| { echo "The tests of the screens need Chromium: apt-get install chromium"; exit 1; }; \
	}

venv:
	@if ! $(PY) -c '' 2>/dev/null || ! ls $(VENV)/bin/pip* >/dev/null 2>&1; then \
		command -v $(PYTHON) >/dev/null \
			|| { echo "Tocsin needs Python 3.11 or newer: apt-get install python3"; exit 1; }; \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
			|| { echo "Tocsin needs Python 3.11 or newer, this is $$($(PYTHON) --version)"; exit 1; }; \
		rm -rf $(VENV); \
		if ! reason=$$($(PYTHON) -m venv $(VENV) 2>&1); then \
			rm -rf $(VENV); \
			case "$$reason" in \
				*ensurepip*|*python3-venv*|*"No module named venv"*) \
					echo "Python cannot make a virtual environment here: apt-get install python3-venv" ;; \
				*) echo "$$reason" ;; \
			esac; \
			exit 1; \
		fi; \
	fi
