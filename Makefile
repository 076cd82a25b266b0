# pyqmail. The guide's commands are setup and check; `make help` lists the rest.
PYTHON_RUN = sh package/python
VENV = .venv

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 14

it man: ## nothing is compiled: setup does everything
	@:

setup: ## install to /var/qmail, /command and /usr/local (root; WHEELS=dir without network)
	@$(PYTHON_RUN) -m qmail.operator.setup

check: ## compare the installation with what setup makes
	@$(PYTHON_RUN) -m qmail.operator.instcheck

doctor: ## find what is wrong with the installation, and what mends it; needs no runtime
	@$(PYTHON_RUN) -m qmail.operator.doctor $(ARGS)

# ADMIN=user or address: who reads postmaster's mail; else who called sudo.
mailserver: ## the whole guide in one command: make mailserver HOST=mail.example.com (root)
	@$(PYTHON_RUN) -m qmail.operator.mailserver "$(HOST)"

run: ## a trial instance below build/, no root: make run, or make run ARGS=--once
	@$(PYTHON_RUN) -m qmail.operator.trial $(ARGS)

$(VENV)/ready: pyproject.toml
	@$(PYTHON_RUN) -m qmail.operator.devenv $(VENV)
	@touch $@

originals: ## unpack Debian's daemontools, ucspi-tcp and the mail clients that tests use
	@sh tests/originals build/originals

lint: $(VENV)/ready ## ruff, mypy --strict
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy pytools qmail tests

test: $(VENV)/ready originals lint ## lint and every test; what cannot run here is listed at the end
	@sh tests/run $(VENV)/bin/pytest $(ARGS)

# Supervisors that the bench of memory stands beside ours, where apt-get knows them.
PEERS = runit s6 execline libs6-2.11 libskarnet2.13 libexecline2.9

bench: $(VENV)/ready originals ## figures, beside the originals where they are installed
	@sh tests/originals build/originals $(PEERS)
	@$(VENV)/bin/python -m tests.bench $(ARGS)

tarballs: ## the three tarballs that the guide begins with, in build/tarballs
	@$(PYTHON_RUN) -m qmail.operator.tarballs

clean: ## remove what was built here
	rm -rf build .venv

# `make -j setup check` would check what is not there yet.
.NOTPARALLEL:

.PHONY: help it man setup check doctor mailserver run originals lint test bench tarballs clean
