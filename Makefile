# The commands of the project. Everything runs in .venv; no command here needs root or a container engine.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help install demo test lint bench proto examples clean

help:  ## Says what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' | column -t -s '|' 2>/dev/null \
	  || grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST)

install: $(STAMP)  ## Makes .venv with the package and all tools

$(STAMP): pyproject.toml .ci/make-venv.sh
	@.ci/make-venv.sh $(VENV)
	@echo "installing the package and its tools into $(VENV) (takes a minute or two)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP)  ## Scores examples over gRPC, then curates shards
	@$(BIN)/python examples/demo.py

test: $(STAMP)  ## Runs the tests (TESTS=path to run some)
	@$(BIN)/python -m pytest -n 4 $(TESTS)

lint: $(STAMP)  ## Checks style, types, import rules and the contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint proto
	$(BIN)/python examples/build_completions.py --check

bench: $(STAMP)  ## Runs every benchmark in its small form
	$(BIN)/python benchmarks/math_verdicts.py --limit 300
	$(BIN)/python benchmarks/code_programs.py --executions 40 --rounds 2
	$(BIN)/python benchmarks/sandbox_load.py --executions 200
	$(BIN)/python benchmarks/attacks.py --sandbox local
	$(BIN)/python benchmarks/curate_shards.py --small
	$(BIN)/python benchmarks/curate_peers.py --rows 4000
	$(BIN)/python benchmarks/curate_growth.py --sizes 2000 4000
	$(BIN)/python benchmarks/curate_decisions.py --samples 200000
	$(BIN)/python benchmarks/language.py --small

proto: $(STAMP)  ## Writes the generated code anew
	$(BIN)/python -m grpc_tools.protoc -Iverifier/wire/_generated=proto/verifier/v1 \
	  --python_out=. --pyi_out=. --grpc_python_out=. proto/verifier/v1/verifier.proto

examples: $(STAMP)  ## Writes examples/completions.jsonl from its sources
	@$(BIN)/python examples/build_completions.py

clean:  ## Removes everything that the commands above made
	rm -rf $(VENV) out build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache wheelhouse
