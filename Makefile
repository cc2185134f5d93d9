# make verify   every statement's verdict in the terminal, and the report as a site in reports/html
# make test     the tests of the project itself
# make slow     the tests that take longer: processes, a browser, Coq, mutants, corpora of true and false statements
# make mutants  a thousand planted mistakes, judged by the engines (20 minutes)
# make install  the command and what its tests need, in .venv, and nothing else
# make check    format, lint, types
# make bench    times of the verification, and of attention and models beside their peers (10 minutes)
# make experiments   does it train, what does the error cost, how does it scale (10 minutes; PROFILE=full: 3 hours, can be resumed)
# make certificates   every argument that has one as a file, checked again by the stand-alone checker
# make coq      norm rules, claims and steps compiled by Coq (apt-get install coq libcoq-interval libcoq-mathcomp-ssreflect)
# Each sets up .venv by itself, once; PIP_ARGS is handed to pip.

.DELETE_ON_ERROR:
.PHONY: install verify test slow mutants check bench experiments certificates coq clean

PYTHON ?= python3
PROFILE ?= quick
BIN := .venv/bin

# The matrices are small: a second thread costs more than it brings, and sums stay in one order.
export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

install: .venv/.stamp

verify: .venv/.stamp
	@$(BIN)/almostlinear check --profile quick
	@$(BIN)/python -m pytest verify/ -q
	@$(BIN)/almostlinear report

test: .venv/.stamp
	@$(BIN)/python -m pytest tests/ -q -n auto --dist loadfile -m "not slow"

slow: .venv/.stamp
	@$(BIN)/python -m pytest tests/ -q -n auto --dist loadfile -m slow

mutants: .venv/.stamp
	@$(BIN)/python -m almostlinear.verify.mutation --count 1300
	@$(BIN)/python -m almostlinear.verify.mutation --impl --count 90 --least 0.8 --out .almostlinear/mutants-impl.json

check: .venv/.stamp
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check --quiet --output-format concise .
	@$(BIN)/mypy

bench: .venv/.stamp
	@$(BIN)/python benchmarks/verification.py
	@$(BIN)/python -m benchmarks

experiments: .venv/.stamp
	@$(BIN)/python -m experiments --profile $(PROFILE)
	@$(BIN)/python -m experiments --compare

certificates: .venv/.stamp
	@rm -rf .almostlinear/certificates
	@$(BIN)/almostlinear certificate write
	@$(BIN)/almostlinear certificate check --quiet .almostlinear/certificates/*.json

coq: .venv/.stamp
	@$(BIN)/python -m almostlinear.verify.coq

clean:
	@rm -rf .venv .almostlinear reports/html build dist .hypothesis .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.stamp: pyproject.toml
	@echo "setting up .venv (torch is large: some minutes the first time)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet $(PIP_ARGS) -e '.[dev]'
	@touch $@
