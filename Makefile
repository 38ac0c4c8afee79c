PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo docs test

demo: $(VENV)/.installed-all
	$(BIN)/python examples/demo.py

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs .site
	@echo "open .site/index.html"

$(VENV)/.installed-%: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit("procure_opt needs Python 3.11 or newer, and $(PYTHON) is %d.%d: say which to use, as in  make $(MAKECMDGOALS) PYTHON=python3.12" % v[:2] if v < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$*]"
	@touch $@
