# Every command works from a clean clone; `make help` lists them.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The Python that Lambda runs where this machine has it, otherwise any from 3.11 on. Asked by running it:
# a pyenv shim exists for versions that do not start.
PYTHON ?= $(firstword $(foreach p,python3.13 python3.14 python3.12 python3.11 python3,$(if $(shell $(p) -c 'import sys; print("yes" if sys.version_info >= (3, 11) else "")' 2>/dev/null),$(p))))

# Node 20 works; jsii would print a page about its end of support.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
# What is unpacked or put aside stays in the checkout, even when a run is killed.
export JSII_RUNTIME_PACKAGE_CACHE_ROOT := $(CURDIR)/build/jsii
export TMPDIR := $(CURDIR)/build/tmp
$(shell mkdir -p $(TMPDIR))
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)

READY := .venv/.ready
# What the checks need beside it: the Python that made .venv, so that `make test PYTHON=python3.11` rebuilds it.
MADE_BY := .venv/.made-by-$(notdir $(PYTHON))

# mypy reads aws_cdk for a minute, once: kept in .venv, so that who only wants the demo does not wait for it.
TYPED := .venv/.typed

.PHONY: help setup demo demo-life check lint types layers unit test test-long faults mutate simulate bench synth permissions parameters preview wheel bootstrap deploy organization template doctor wings clean
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 13

$(MADE_BY):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python)" >&2; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	touch $@

$(READY): $(MADE_BY) requirements.txt package-lock.json
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	npm ci --no-audit --no-fund --silent
	touch $@

# Beside an administrator's credentials no package runs that is not pinned by hash, and none of the tests'.
DEPLOYS := .deploy/.ready
$(DEPLOYS): requirements-deploy.txt package-lock.json
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python)" >&2; exit 1; }
	rm -rf .deploy
	$(PYTHON) -m venv .deploy
	.deploy/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: --no-deps \
	  --requirement requirements-deploy.txt
	npm ci --no-audit --no-fund --silent
	touch $@
# cdk.json says `python`.
preview bootstrap deploy doctor organization template: export PATH := $(CURDIR)/.deploy/bin:$(CURDIR)/node_modules/.bin:$(PATH)

# What our own code is worth, `make types` says.
$(TYPED): $(READY)
	@mkdir -p build && grep -hE '^(from|import) (aws_cdk|constructs)' infra/*.py | sort -u > build/imports_of_infra.py
	.venv/bin/mypy --config-file= --strict --python-version 3.11 --explicit-package-bases --warn-unreachable \
	  --cache-dir .venv/mypy build/imports_of_infra.py
	touch $@

setup: $(READY) $(TYPED) ## install what the other commands need, into .venv and node_modules

demo: $(READY) ## one day on an emulated account: each key before and after, the mail, ten checks
	@.venv/bin/python -m sandbox.demo

demo-life: $(READY) ## 65 days of three keys there: an owner who follows by itself, one who installs late, one who never does
	@.venv/bin/python -m sandbox.demo_life

# While working: under a minute once set up.
check: lint types layers unit ## lint, types, layers, unit tests

lint: $(READY)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: $(TYPED)
	.venv/bin/mypy

layers: $(READY)
	PYTHONPATH=functions .venv/bin/lint-imports --no-cache

unit: $(READY)
	.venv/bin/python -m pytest --quiet --numprocesses 2 --dist worksteal tests/unit

# Three at work on two cores: whoever has the emulated account waits half of the time.
test: lint types layers ## the same and every other test: moto, template, faults, simulation, the emulated account
	.venv/bin/python -m pytest --quiet --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-long: faults mutate simulate bench ## all that takes longer than make test, an hour and more

faults: $(READY) ## every AWS call broken in every way, and all pairs of faults while a key is replaced
	.venv/bin/python -m tests.component.faults --every

mutate: $(READY) ## break the policy, and take out each safeguard; every break must be noticed
	.venv/bin/python -m tests.mutants
	.venv/bin/python -m tests.safeguards
	.venv/bin/python -m tests.unit.follow.rules

simulate: $(READY) ## years of an account's life; USERS=1000 YEARS=10 SEED=1 FAULTS=0.02; 15 minutes, 20 with faults
	.venv/bin/python -m tests.simulation --users $(or $(USERS),1000) --years $(or $(YEARS),10) \
	  --seed $(or $(SEED),1) --faults $(or $(FAULTS),0)

bench: $(READY) ## calls, time and memory for 5,000 users, into docs/benchmark.md; fails when a limit is not kept; 15 minutes
	.venv/bin/python -m pytest --quiet tests/component/run/test_throttling.py --throttled-users 1000
	.venv/bin/python -m tests.benchmark $(ARGS)
	.venv/bin/python -m tests.benchmark.organization

synth: $(READY) ## the CloudFormation template, into cdk.out
	npx --no-install cdk synth --quiet
	@echo "template: cdk.out/AccessKeyRotation.template.json"

permissions: $(READY) ## what each role may do and why, into docs/permissions.md
	.venv/bin/python -m infra.permissions_table > docs/permissions.md

parameters: $(READY) ## the parameters as the console shows them, into docs/parameters.md
	PYTHONPATH=functions .venv/bin/python -m infra.parameters_page > docs/parameters.md

preview: $(DEPLOYS) ## what it would do to your AWS account, and when; only reads; ARGS="--format html" (docs/preview.md)
	@PYTHONPATH=functions .deploy/bin/python -m keyrotation.preview $(ARGS)

wheel: $(READY) ## what pipx installs, access-key-follow and access-key-preview, into build/wheel
	@.venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --wheel-dir build/wheel .

bootstrap: $(DEPLOYS) ## once per AWS account and Region, before the first deploy
	npx --no-install cdk bootstrap

# A parameter that is not named keeps the value it has: the template's own at first (Mode is Audit there), and later
# what was deployed. An update that said Audit by itself would stop the rotation of an account in Enforce unseen.
# The table outlives the stack, and a stack deployed anew takes it over instead of failing on its name.
deploy: $(DEPLOYS) ## to your AWS account; PARAMETERS="AlertEmail=you@example.com Mode=Enforce ..."; APPROVAL=never: no question
	@PYTHONPATH=functions .deploy/bin/python -m infra.before_deploy $(foreach parameter,$(PARAMETERS),'$(parameter)')
	npx --no-install cdk deploy AccessKeyRotation --previous-parameters --import-existing-resources \
	  $(if $(APPROVAL),--require-approval $(APPROVAL)) $(foreach parameter,$(PARAMETERS),--parameters '$(parameter)')
	@PYTHONPATH=functions .deploy/bin/python -m infra.after_deploy

# Two stacks: the second one's code, and that of every account, is put into the bucket of the first. Neither needs a bootstrap.
organization: $(DEPLOYS) ## many accounts: PARAMETERS="OrganizationId=o-... OrganizationalUnitIds=ou-..." (docs/organization.md)
	@PYTHONPATH=functions .deploy/bin/python -m infra.before_organization $(foreach parameter,$(PARAMETERS),'$(parameter)')
	npx --no-install cdk deploy AccessKeyRotationRelease --exclusively --app 'python -m infra.organization' --output cdk.out \
	  --previous-parameters $(foreach parameter,$(filter OrganizationId=%,$(PARAMETERS)),--parameters '$(parameter)')
	npx --no-install cdk deploy AccessKeyRotationOrganization --exclusively --app cdk.out --previous-parameters \
	  $(foreach parameter,$(PARAMETERS),--parameters '$(parameter)')

template: $(DEPLOYS) ## one plain template and its zip, without the CDK, into build/template; BUCKET=where-the-code-will-lie
	@.deploy/bin/python -m infra.template '$(BUCKET)'

# What is deployed is compared with what this checkout would deploy. make says the doctor's own exit code ("Error 3") and ends
# with 2 whatever it is; docs/first-day.md has the command for scripts.
doctor: $(DEPLOYS) ## whether the deployed stack is healthy, and is this checkout's; only reads; ARGS="--format json"
	@npx --no-install cdk synth --quiet >&2
	@PYTHONPATH=functions .deploy/bin/python -m infra.doctor $(ARGS)

wings: $(READY) ## where the code lives, into docs/design.md
	.venv/bin/python -m tests.infra.wings

clean: ## remove everything that was made here
	rm -rf .venv .deploy node_modules cdk.out build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
