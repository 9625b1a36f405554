# make demo   learn <bo> from five pictures, draw him in a hat, answer about him (makes .venv first)
# make test   every test
# make base   make the tiny base from nothing (hours on two cores; resumable), and mia, another concept to compare with
# make eval   the toy benchmark with its controls
# make clean  remove .venv and runs/: what was learned, measured, and kept to go on from

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# torch's default build brings 6 GB of CUDA libraries. Where there is no GPU, a CPU build that pip can find is taken instead.
CPU_TORCH := $(shell test -e /dev/nvidiactl || echo 'torch==2.13.0+cpu')

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DS_ACCELERATOR ?= $(shell test -e /dev/nvidiactl && echo cuda || echo cpu)
export OMP_NUM_THREADS ?= $(shell nproc 2>/dev/null || echo 2)
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test base eval clean

$(VENV)/ready: setup.py
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "unictoken needs Python 3.11 or newer; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import torch' 2>/dev/null || test -z '$(CPU_TORCH)' || $(BIN)/pip install -q '$(CPU_TORCH)' || echo 'no CPU build of torch found; taking the default one'
	$(BIN)/pip install -q -e '.[test]'
	touch $@

demo: $(VENV)/ready
	$(BIN)/deepspeed --num_accelerators 1 train/run.py --config configs/bo.yaml
	$(BIN)/unictoken draw --concept checkpoints/concepts/bo.safetensors "<bo> wearing a hat" --num-images 4 --seed 0 --out runs/bo/hat
	$(BIN)/unictoken ask --concept checkpoints/concepts/bo.safetensors "What colour is <bo>?"
	@echo "Look at runs/bo/report.md and runs/bo/grid.png"

test: $(VENV)/ready
	$(BIN)/ruff check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

base: $(VENV)/ready
	$(BIN)/python train/base.py --config configs/base.yaml
	test -d runs/mia-pictures || $(BIN)/unictoken pet --seed 7 --name mia --out runs/mia-pictures
	$(BIN)/unictoken learn runs/mia-pictures --name mia --set concepts=checkpoints/tiny-chameleon --set replace=true

eval: $(VENV)/ready
	$(BIN)/python eval/run.py --config configs/eval/toy.yaml

clean:
	rm -rf $(VENV) runs build *.egg-info
