# Each target first sees to .venv: tools/set_up.py makes it, installs the course into
# it, and does so again only when pyproject.toml changed.

PYTHON = .venv/bin/python
# `make lab LANG=zh`, and a system that speaks Chinese, open the Chinese edition.
ASKED = $(firstword $(subst @, ,$(subst ., ,$(subst -,_,$(or $(COURSE_LANG),$(LANG))))))
TONGUE := $(shell (echo '$(firstword $(subst _, ,$(ASKED)))' | tr A-Z a-z) 2>/dev/null)
FOUND = $(wildcard $(if $(ASKED),locale/$(ASKED) locale/$(TONGUE) locale/$(TONGUE)_*))
IN = $(notdir $(firstword $(FOUND)))
FIRST_PAGE = /lab/tree/notebooks/$(IN:%=%/)00_start_here.ipynb

# The tools speak the language in which the course opens.
SPEAKING = COURSE_LANG="$(or $(COURSE_LANG),$(IN))"
SET_UP = $(SPEAKING) python3 tools/set_up.py

# Where not even tools/set_up.py starts, which finds a newer Python or says what to do.
NO_PYTHON = "The course needs Python 3.11 or newer, and there is no such python3 here:" \
	"install it (https://www.python.org/downloads/) and run the same command again."
NO_PYTHON_ZH = "本课程需要 Python 3.11 或更新的版本，而这里没有这样的" \
	"python3：请先安装（https://www.python.org/downloads/），再运行一次同样的命令。"

# JupyterLab starts for root, the usual user of a container, only when told to.
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help lab page update check test lint setup bench soak notebooks recorded translations

help: ## List what make can do here.
	@$(SPEAKING) python3 tools/spoken.py Makefile 2>/dev/null || \
		awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

lab: setup ## Open the course in JupyterLab: start here (LANG=zh: in Chinese).
	$(PYTHON) -m jupyterlab $(AS_ROOT) --config=jupyter_server_config.py \
		--LabApp.default_url=$(FIRST_PAGE)

page: setup ## Show the lessons as pages in the browser, without an editor.
	@$(PYTHON) -m pip install --quiet voila
	$(PYTHON) -m voila notebooks --Voila.config_file_paths=custom

update: setup ## Get the newest version; your answers, notes and progress stay.
	$(SPEAKING) $(PYTHON) tools/update.py $(if $(FROM),"$(FROM)")
	@$(SET_UP)

# Several files at a time, those in the browser first, with one thread of PyTorch for
# each kernel: more get in each other's way. Three where some wait, as in the browser.
# Bytecode is kept, or each of their many kernels would compile the course anew.
PYTEST = PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(PYTHON) -m pytest --dist loadfile --no-loadscope-reorder

check: lint ## Check style, imports and what needs no notebook, browser or process.
	$(PYTEST) --numprocesses 2 -m "not slow" tests

test: lint ## Run all tests, among them every notebook.
	$(PYTEST) --numprocesses 3

lint: setup ## Check style and the directions of imports alone.
	$(PYTHON) -m ruff check --quiet
	$(PYTHON) -m ruff format --check --quiet
	$(dir $(PYTHON))lint-imports --no-cache --no-logo

setup: ## Make .venv and install the course into it, if that is not done yet.
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null || \
		{ echo $(NO_PYTHON) >&2; echo $(NO_PYTHON_ZH) >&2; exit 1; }
	@$(SET_UP)

bench: setup ## Measure how fast training and the live lab are on this machine.
	$(PYTHON) tools/bench.py

soak: setup ## Use the labs, sweeps and searches hard for ten minutes, and say what is left.
	$(PYTHON) tools/soak.py

translations: setup ## Bring the catalogues and the notebooks of other languages up to date.
	$(PYTHON) tools/translations.py

notebooks: setup ## Run all notebooks and store their outputs in them.
	$(PYTHON) tools/run_notebooks.py

recorded: setup ## Train anew what the notebooks show from records (20 minutes on two cores).
	$(PYTHON) tools/record_sweeps.py
