# `make demo` and `make test` do all the set-up there is: a virtual environment in $(VENV) with the
# pinned packages of constraints.txt.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$python; break; }; done)
CHECK_PYTHON = @test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
VENV ?= .venv
EXTRAS ?= agents,human,video,sb3,box2d,bullet,ray,onnx,course,docs,dev
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The environments alone, on the lowest versions that pyproject.toml allows.
LOWEST := $(VENV)-lowest
LOWEST_PACKAGES := $(LOWEST)/.packages
LOWEST_INSTALLED := $(LOWEST)/.installed
# What Gymnasium and NumPy have a part in; the core, the emulators and the rules know neither. Of the
# longest tests others cover what depends on a version.
LOWEST_TESTS := $(foreach name,determinism env gymnasium_play limits make rendering,tests/envs/test_$(name).py) \
	$(wildcard tests/envs/test_vector_*.py) tests/envs/wrappers --ignore tests/envs/wrappers/test_advance.py \
	-k "not 32_games and not on_the_reference and not drawn_by_lot and not depend_on_threads and not thousand and not every_stage and not no_player_controls"

CORE := mario_rl_envs/core
CORE_FILES := $(wildcard $(CORE)/*/*.[ch])
C_FILES := $(CORE_FILES) $(wildcard tests/native/*.[ch])
C_FLAGS = -std=c11 -DPy_LIMITED_API=0x030B0000 -I$(CORE) \
	-isystem $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')
WARNINGS := -Wall -Wextra -Wconversion -Wno-sign-conversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Werror
SANITIZER := -g -O2 -fno-omit-frame-pointer -fno-sanitize-recover=all
# These build programs, or measure memory.
NOT_SANITIZED := --ignore tests/envs/core/test_pool.py --ignore tests/envs/core/test_native_fuzz.py \
	--ignore tests/envs/compile/test_compiler.py --ignore tests/envs/compile/test_compiled_library.py \
	--deselect tests/envs/test_vector_processes.py::test_memory_of_a_game
# A sanitizer's runtime is loaded first, with that of C++, whose exceptions nes-py throws.
PRELOAD = $(shell $(CC) -print-file-name=$1) $(shell $(CC) -print-file-name=libstdc++.so.6)
ROM = $$($(BIN)/python -c 'from mario_rl_envs.game.rom import find_rom; print(find_rom())')
SECONDS ?= 60
PARALLEL = --numprocesses $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) --dist worksteal

.PHONY: demo compiled course docs docs-serve test test-newest test-lowest test-slow integration wheel lint format bench sanitize sanitize-address sanitize-thread fuzz clean

# Into a folder of its own: an earlier demo may have been trained further. Torch's threads stay awake
# for a moment while they wait for each other: alone on the machine that is faster, see
# benchmarks/results.md.
demo: compiled
	@out=runs/demo; number=2; \
	while [ -e $$out ]; do out=runs/demo-$$number; number=$$((number + 1)); done; \
	set -x; GOMP_SPINCOUNT=30000 $(BIN)/mario-rl train ppo MarioRL-1-1-v0 --recipe demo --minutes 10 --video --out $$out

# The game's code, in the user's cache folder; soon done if it is there. Without it everything works,
# more slowly.
compiled: $(INSTALLED)
	-@$(BIN)/python -m mario_rl_envs.compile

# Every lesson from top to bottom, and what it prints and draws stored in docs/course.
course: compiled
	$(BIN)/python benchmarks/course.py

# The site, into site/: pages, API reference and stages. Nothing of the course is run.
docs: compiled
	$(BIN)/python benchmarks/build_site.py

docs-serve: docs
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8000

# What takes one core, or waits for the network, goes side by side.
test:
	$(MAKE) --jobs 2 $(INSTALLED) $(LOWEST_PACKAGES)
	$(MAKE) --jobs 2 $(LOWEST_INSTALLED) lint
	$(MAKE) test-newest
	$(MAKE) test-lowest

# A process more than there are cores: tests wait for processes of their own. One that has no tests
# left takes some of another's.
test-newest: $(LOWEST_INSTALLED)
	$(BIN)/python -m pytest $(PARALLEL)

# Interpreted: nothing is compiled in this folder.
test-lowest: $(LOWEST_INSTALLED)
	MARIO_RL_CACHE_DIR=$(abspath $(LOWEST))/no-cache $(LOWEST)/bin/python -m pytest $(PARALLEL) $(LOWEST_TESTS)

# In length or in number what `make test` has in small.
test-slow: compiled
	$(BIN)/python -m pytest $(PARALLEL) -m slow

# An example of each library, in a virtual environment of its own, up to 2 GB, one after the other.
integration: $(INSTALLED)
	$(BIN)/python -m pytest -m "" -rP tests/integration

# The wheel in a virtual environment that has nothing else: the environments' tests, and a policy
# measured. In that folder the packages are without Python's files, so that only the wheel can be
# imported; some tests read the core's sources.
wheel: $(INSTALLED)
	rm -rf build/wheel && mkdir -p build/wheel/tests-of-it
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	cp -r pyproject.toml setup.cfg README.md docs benchmarks tests mario_rl_envs build/wheel/tests-of-it
	find build/wheel/tests-of-it/mario_rl_envs -type f ! -name '*.[ch]' -delete
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/python -m pip install --quiet --constraint constraints.txt "$$(echo build/wheel/*.whl)[test]"
	build/wheel/venv/bin/python .ci/check_wheel.py
	cd build/wheel/tests-of-it && ../venv/bin/python -m pytest $(PARALLEL) tests/envs
	build/wheel/venv/bin/python -m pip install --quiet --constraint constraints.txt "$$(echo build/wheel/*.whl)[agents,human]"
	cd build/wheel && venv/bin/mario-rl evaluate MarioRL-1-1-v0

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(BIN)/clang-format --dry-run --Werror $(C_FILES) && echo "C: formatted"
	@# What binds the core to Python is not pedantic: Python keeps functions as pointers to objects.
	@for file in $(filter %.c,$(C_FILES)); do \
		case $$file in $(CORE)/python/*) iso= ;; *) iso=-Wpedantic ;; esac; \
		$(CC) $(C_FLAGS) $(WARNINGS) $$iso -O2 -c $$file -o /dev/null || exit 1; \
	done; echo "C: no warnings"

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

bench: compiled
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python -m pip install --quiet --no-deps --requirement benchmarks/rivals.txt
	$(BIN)/python benchmarks/replay_buffer.py
	$(BIN)/python benchmarks/throughput.py

# The environments' tests on a core in which every step is checked; and those with threads again on
# one in which every access to memory is (but for forks, which ThreadSanitizer does not support).
# The cores are built beside a copy of the packages.
sanitize: sanitize-address sanitize-thread

sanitize-address: build/sanitize/address/$(CORE)/_core.abi3.so
	cd build/sanitize/address && ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(call PRELOAD,libasan.so)" \
		$(abspath $(BIN))/python -m pytest $(PARALLEL) tests/envs $(NOT_SANITIZED)

sanitize-thread: build/sanitize/thread/$(CORE)/_core.abi3.so
	cd build/sanitize/thread && LD_PRELOAD="$(call PRELOAD,libtsan.so)" \
		$(abspath $(BIN))/python -m pytest tests/envs/test_vector_env.py tests/envs/test_vector_processes.py \
		-k "threads and not forked"

build/sanitize/address/%: SANITIZER += -fsanitize=address,undefined
build/sanitize/thread/%: SANITIZER += -fsanitize=thread

build/sanitize/%/$(CORE)/_core.abi3.so: $(CORE_FILES) $(INSTALLED) FORCE
	rm -rf build/sanitize/$* && mkdir -p build/sanitize/$*
	cp -r pyproject.toml mario_rl_envs agents benchmarks tests build/sanitize/$*
	$(CC) $(C_FLAGS) $(SANITIZER) -fPIC -shared -pthread $(filter %.c,$(CORE_FILES)) -o $@

FORCE:

# Random inputs for SECONDS. The same seed does the same: make fuzz SEED=2001 SECONDS=600
fuzz: $(INSTALLED)
	mkdir -p build
	$(CC) $(C_FLAGS) $(SANITIZER) -fsanitize=address,undefined tests/native/fuzz.c \
		$(filter-out $(CORE)/python/%,$(filter %.c,$(CORE_FILES))) -pthread -lm -o build/fuzz
	build/fuzz $(ROM) $(SECONDS) $(SEED)

clean:
	rm -rf $(VENV) $(LOWEST) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache $(CORE)/_core.*so

# Compiles the native core, too; where that fails, none is left of before.
$(INSTALLED): pyproject.toml setup.cfg constraints.txt $(CORE_FILES)
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	rm -f $(CORE)/_core.*so
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@

$(LOWEST_PACKAGES): constraints-lowest.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --requirement constraints-lowest.txt
	touch $@

# It compiles the core once more: after the other, and while nothing imports it.
$(LOWEST_INSTALLED): pyproject.toml setup.cfg $(CORE_FILES) $(LOWEST_PACKAGES) | compiled
	$(LOWEST)/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable ".[human,video,test]"
	touch $@
