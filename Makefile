# make run    a working LeadMachine on http://127.0.0.1:8000 (PORT and HOST change that); Ctrl-C stops it
# make test   every check and test, on PostgreSQL and once more on SQLite
# make env    only the Python environment, in .venv
# make check  the checks alone    make bench  the benchmark    make lock  new lock files from requirements/*.in
# make fuzz   the long form of the requests made from the API's description; some minutes
# make chaos  the long form of the chaos tests, which writes docs/reliability-report.md; its size can be chosen
#             (CHAOS="--runs 2000" for more; CHAOS=--help says what else)
# make messages  gathers the texts to translate and compiles the translations
# make sbom   what it stands on, as a bill of materials

PYTHON ?= python3
VENV := .venv/bin/python
PYTEST := $(VENV) -m pytest
# A file stays on one worker, so that what a file starts (a whole installation, a browser) is started once.
# Files begin in the order of tests/plugins/order.py: by number of tests, as xdist would, the long ones come last and
# run alone.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder
COMPILE := $(VENV) -m uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

export PORT HOST

.PHONY: run test env env-dev check messages bench chaos fuzz sbom screenshots lock

run:
	@$(PYTHON) requirements/install.py runtime
	@$(VENV) manage.py up

env:
	@$(PYTHON) requirements/install.py runtime

env-dev:
	@$(PYTHON) requirements/install.py dev

test: check
	$(PYTEST) $(PARALLEL)
	$(PYTEST) $(PARALLEL) --db=sqlite -m "not (browser or chaos or own_installation)"

check: env-dev
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy
	$(VENV) -c "from importlinter.cli import lint_imports_command as run; run()"
	$(VENV) -m djlint --quiet --lint templates
	$(VENV) -m bandit --quiet --severity-level medium --recursive --configfile pyproject.toml leadmachine crm capi manage.py
	.venv/bin/semgrep scan --quiet --error --metrics=off --disable-version-check --config tests/house/rules.yml \
		crm capi leadmachine templates
	@# On settings of its own: neither the caller's environment nor the checkout's var/ has a say.
	scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && unset DATABASE_URL REDIS_URL PUBLIC_URL DEBUG \
		&& export DATA_DIR="$$scratch" \
		&& $(VENV) manage.py check --fail-level WARNING \
		&& $(VENV) manage.py makemigrations --check --dry-run

# Gathers what is marked for translation into locale/, and compiles it. Needs GNU gettext (apt install gettext);
# nothing else does: the compiled file is in the repository. Then translate what is empty or fuzzy, and run it again.
messages: env-dev
	$(VENV) manage.py makemessages --locale de --no-location --no-wrap --no-obsolete --extension html,jinja,txt,py \
		--ignore .venv --ignore var --ignore tests --ignore static
	$(VENV) manage.py compilemessages --locale de --ignore .venv

bench: env-dev
	$(VENV) -m tests.benchmarks

chaos: env-dev
	$(VENV) -m tests.chaos $(CHAOS)

fuzz: env-dev
	$(PYTEST) -n0 tests/crm/api/long_fuzz.py

# The bill of materials (CycloneDX) of what the program runs on.
sbom:
	@$(PYTHON) requirements/sbom.py runtime

# The pictures of the README, from the browser that the tests use.
screenshots: env-dev
	SCREENSHOTS=1 E2E=require $(VENV) -m pytest tests/browser/test_pages.py -k pictures -n0

lock: env-dev
	$(COMPILE) --upgrade requirements/dev.in --output-file requirements/dev.lock
	# The program runs on exactly the versions that the tests ran on.
	$(COMPILE) --constraint requirements/dev.lock requirements/runtime.in --output-file requirements/runtime.lock
