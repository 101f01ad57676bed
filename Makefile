# Enlace: `make` lists what there is. Needs Python 3.11 or newer; no root, no Docker, no Node.
# Works with GNU make 3.81, which macOS has, and later.

SHELL  := /bin/sh
PYTHON_IN_VENV := .venv/bin/python
ARGS   ?=

.PHONY: help demo test check mutate bench lock
.DELETE_ON_ERROR:

help: ## List these commands | Muestra estas órdenes
	@echo 'Enlace'
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\) | \(.*\)$$/\1@\2@\3/p' Makefile \
		| awk -F@ '{ printf "\n  make %-7s %s\n               %s\n", $$1, $$2, $$3 }'
	@echo
	@echo '  ARGS="…" passes arguments on | pasa argumentos:  make test ARGS="-k sealing"'

demo: .venv/.runtime ## See the exchange work, on this machine | Ver el intercambio en marcha, en esta máquina
	@$(PYTHON_IN_VENV) -m broker.demo $(ARGS)

test: .venv/.development ## Run the tests | Ejecutar las pruebas
	@$(PYTHON_IN_VENV) -m pytest $(ARGS)

check: .venv/.development ## Check style, types, layers and, in CI, known vulnerabilities | Revisar estilo, tipos y capas
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@if [ -n "$$CI" ]; then .ci/audit; fi

mutate: .venv/.development ## See that a test notices each mistake in a rule | Ver que una prueba nota cada error en una regla
	@$(PYTHON_IN_VENV) -m tests.mutation.run $(ARGS)

bench: .venv/.development ## Measure throughput and latency | Medir rendimiento y latencia
	@$(PYTHON_IN_VENV) bench/run.py $(ARGS)

lock: .venv/.runtime ## Lock the dependencies anew | Fijar de nuevo las dependencias
	@.ci/lock $(ARGS)

# Made once, and again when a lock file changes. The development set contains the runtime's.
.venv/.runtime: requirements.txt requirements-build.txt pyproject.toml .ci/make-venv
	@.ci/make-venv requirements.txt
	@touch $@

.venv/.development: requirements-dev.txt requirements-build.txt pyproject.toml .ci/make-venv
	@.ci/make-venv requirements-dev.txt
	@touch .venv/.runtime $@
