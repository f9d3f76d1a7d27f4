.PHONY: train test lint bench notebooks clean

PYTHON ?= python3
ARGS ?=

train: .venv/ready
	.venv/bin/python -m autograd_nn $(ARGS)

test: .venv/ready
	.venv/bin/python -m pytest $(ARGS)

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/mypy

bench: .venv/ready
	.venv/bin/pip install --quiet "torch==2.13.0"
	.venv/bin/pip install --quiet -e ".[bench]"
	.venv/bin/python -m benchmarks $(ARGS)

notebooks: .venv/ready
	.venv/bin/pip install --quiet -e ".[notebooks]"
	.venv/bin/python -m pytest --nbmake notebooks

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -e ".[test]"
	touch .venv/ready

clean:
	rm -rf .venv
