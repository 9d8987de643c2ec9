# isthmus. `make` builds build/isthmus, `make help` lists the rest.
# Needs GNU make; what else is missing on a Debian, `make demo` and `make test` install.

MODE    ?= release
PREFIX  ?= /usr/local
DESTDIR ?=
# Seconds for each fuzz target.
FUZZ_TIME ?= 10
# Only the tests whose path contains this: `make unit T=base/name`.
T ?= /

ifeq ($(origin CC),default)
CC := gcc
endif
CLANG := $(findstring clang,$(CC))
BUILD ?= build
OUT   := $(BUILD)/$(MODE)$(if $(CLANG),-clang)

# ---- libraries: pkg-config names, and -l names where there is no .pc file ----

PACKAGES := libuv libldns:ldns libpcre2-8 libssl libcrypto libfstrm libprotobuf-c
LIBS     := -lpthread

# ---- sources: by folder; x_test.c stands beside x.c ----

DIRS := base config config/discovery resolver resolver/plugins resolver/plugins/* server

ALL_C    := $(wildcard $(DIRS:%=%/*.c))
MAIN_C   := $(filter server/main.c,$(ALL_C))
LIB_C    := $(filter-out %_test.c server/main.c,$(ALL_C))
TEST_C   := $(sort $(filter %_test.c,$(ALL_C)) $(wildcard tests/unit/*_test.c))
HELP_C   := $(filter-out %_test.c,$(wildcard tests/unit/*.c))
PROTO    := $(OUT)/resolver/dnstap.pb-c
FUZZ_C   := $(sort $(wildcard tests/fuzz/fuzz_*.c))
PLAYER_C := $(filter-out %_test.c,$(wildcard tests/scenario/*.c))

LIB    := $(OUT)/libisthmus.a
HELP   := $(OUT)/libtest.a
PLAYER := $(OUT)/scenario
chosen  = $(foreach t,$1,$(if $(findstring $(T),$t),$t))
TESTS   = $(call chosen,$(TEST_C:%.c=$(OUT)/tests/%))
FUZZERS = $(call chosen,$(FUZZ_C:tests/fuzz/%.c=$(OUT)/fuzz/%))

# ---- flags: each is probed once, and those the compiler knows are kept in $(OUT)/flags ----

WARN := -Wall -Wextra -Wno-unused-parameter -Wpedantic -Wconversion -Wsign-conversion -Wshadow \
    -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla -Walloca -Wformat=2 \
    -Wundef -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings -Wswitch-enum \
    -Wimplicit-fallthrough -Wnull-dereference -Wdouble-promotion
WARN += $(if $(CLANG),-Wcomma -Wunreachable-code -Wmissing-variable-declarations, \
    -Wlogical-op -Wduplicated-cond -Wduplicated-branches)
HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection \
    -ftrivial-auto-var-init=zero
# gcc clears and copies 64 to 480 octets by `rep stos` and `rep movs` otherwise, which cost a
# fifth of the time in resolver/ (docs/performance.md).
TUNE := -mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign \
    -mmemcpy-strategy=unrolled_loop:256:noalign,libcall:-1:noalign
# These three do not go with every mode: sanitizers enlarge frames and read what
# _FORTIFY_SOURCE would hide from them.
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 $(if $(CLANG),,-Wstack-usage=16384)
ASAN    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

FLAGS_release := -O2 -g $(FORTIFY)
FLAGS_debug   := -O0 -g3
FLAGS_asan    := -O1 -g $(ASAN)
FLAGS_tsan    := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
FLAGS_oom     := -O1 -g $(ASAN)
FLAGS_fuzz    := -O1 -g $(ASAN) -fsanitize=fuzzer-no-link
FLAGS_cov     := -O0 -g --coverage
# MODE=oom: the allocations of our own modules, and only those, can be made to fail.
MODULE_FLAGS_oom := -Dmalloc=oom_malloc -Dcalloc=oom_calloc -Drealloc=oom_realloc

MODE_FLAGS := $(or $(FLAGS_$(MODE)),$(error MODE=$(MODE): expected release, debug, asan, tsan, oom, fuzz or cov))
BASE_FLAGS := -std=c11 -D_GNU_SOURCE -I. -fPIE -Werror $(MODE_FLAGS)
LDFLAGS    := -pie -Wl,-z,relro,-z,now $(filter-out -U% -D% -W%,$(MODE_FLAGS))
COMPILE     = $(CC) @$(OUT)/flags $(MODULE_FLAGS) -MMD -MP $(CFLAGS) -c -o $@ $<
LINK        = $(CC) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) @$(OUT)/libs
LINK_TEST   = $(LINK) -lcmocka

# ---- the program ----

all: $(OUT)/isthmus ## build build/isthmus (the default); MODE=release|debug|asan|tsan|oom|cov, CC=clang
ifeq ($(MODE),release)
	@ln -sfn $(OUT:$(BUILD)/%=%)/isthmus $(BUILD)/isthmus
endif

lib: $(LIB)

$(OUT)/isthmus: $(OUT)/server/main.o $(LIB)
	$(LINK)

$(LIB): $(LIB_C:%.c=$(OUT)/%.o) $(PROTO).o $(if $(filter oom,$(MODE)),$(OUT)/tests/tools/oom.o)
	@mkdir -p $(@D) && rm -f $@
	@ar rcs $@ $^

$(OUT)/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	$(COMPILE)

# What protoc-c makes of the schema is not ours to mend.
$(PROTO).o: $(PROTO).c $(OUT)/flags
	$(CC) @$(OUT)/flags -w -c -o $@ $<

$(PROTO).c: resolver/dnstap.proto
	@mkdir -p $(@D)
	@protoc-c --proto_path=resolver --c_out=$(@D) $<

$(LIB_C:%.c=$(OUT)/%.o): MODULE_FLAGS = $(MODULE_FLAGS_$(MODE))

$(OUT)/resolver/dnstap.o: $(PROTO).c
$(OUT)/resolver/dnstap.o: MODULE_FLAGS += -I$(OUT)

$(OUT)/flags: Makefile
	@mkdir -p $(@D)
	@command -v $(CC) >/dev/null && command -v pkg-config >/dev/null || { \
	    echo 'no $(CC) or no pkg-config: run tests/tools/packages.sh build' >&2; exit 1; }
	@tests/tools/probe.sh $(CC) $(WARN) $(HARDEN) $(TUNE) >$@.new
	@printf '%s\n' $(BASE_FLAGS) >>$@.new
	@tests/tools/libs.sh --cflags $(PACKAGES) >>$@.new
	@tests/tools/libs.sh --libs $(PACKAGES) >$(OUT)/libs
	@printf '%s\n' $(LIBS) >>$(OUT)/libs
	@mv $@.new $@

# ---- tests ----

$(OUT)/tests/%_test: $(OUT)/%_test.o $(HELP) $(LIB)
	@mkdir -p $(@D)
	$(LINK_TEST)

$(HELP): $(HELP_C:%.c=$(OUT)/%.o)
	@mkdir -p $(@D) && rm -f $@
	@ar rcs $@ $^

$(PLAYER): $(PLAYER_C:%.c=$(OUT)/%.o) $(HELP) $(LIB)
	$(LINK_TEST)

$(OUT)/fuzz/%: $(OUT)/tests/fuzz/%.o $(HELP) $(LIB)
	@mkdir -p $(@D)
	$(LINK_TEST) -fsanitize=fuzzer

RUN := tests/tools/run-tests.sh

test: ## everything, on a bare Debian too: packages, lint, sanitizers, e2e, golden, fuzz (<= 20 minutes)
	@tests/tools/packages.sh build test
	@MAKE='$(MAKE)' FUZZ_TIME=$(FUZZ_TIME) $(RUN) test

check: ## the quick part of `test` (<= 2 minutes): lint, unit tests, scenarios, quick e2e
	@tests/tools/packages.sh build test
	@MAKE='$(MAKE)' $(RUN) check

unit: $(TESTS) ## unit tests of MODE; T=base/name runs those whose path has it
	@$(RUN) unit $(OUT) $^

oom: $(TESTS) ## with MODE=oom: unit tests while one allocation after another fails
	@$(RUN) oom $(OUT) $^

scenario: $(if $(PLAYER_C),$(PLAYER)) ## play tests/scenario/*.scn: queries, answers and time as text, no sockets
	@$(RUN) scenario $(OUT) $^

e2e: all ## tests/e2e against real servers, with the binary of MODE; T=failover runs those whose path has it
	@T='$(T)' $(RUN) e2e $(OUT)

golden: all ## the golden cases, where ../shared/golden is there
	@$(RUN) golden $(OUT)

fuzz: ## libFuzzer on the targets of tests/fuzz, FUZZ_TIME seconds each (10)
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang fuzz-run

fuzz-run: $(FUZZERS)
	@FUZZ_TIME=$(FUZZ_TIME) $(RUN) fuzz $(OUT) $^

bench: all ## paced load and ratios: tests/bench/run
	ISTHMUS=$(OUT)/isthmus tests/bench/run

cov: ## lines and branches of each module that the unit tests reach
	@$(MAKE) --no-print-directory MODE=cov unit
	@$(RUN) cov $(BUILD)/cov $(LIB_C)

lint: ## layers, sizes, banned words, links, headers alone, format
	@tests/lint/lint.py

analyze: $(OUT)/flags ## gcc -fanalyzer over the modules (minutes)
	@for f in $(LIB_C); do echo "$$f"; $(CC) @$(OUT)/flags -fanalyzer -S -o /dev/null $$f || exit 1; done

format: ## clang-format every C file in place
	clang-format -i $(wildcard $(DIRS:%=%/*.[ch]) tests/*/*.[ch])

# ---- for the user ----

demo: ## packages, build, then the main job on two built-in clusters
	@tests/tools/packages.sh build
	@$(MAKE) --no-print-directory all
	@$(BUILD)/isthmus demo

lab: ## three clusters with shared routes on this machine, and isthmus: the story of examples/lab; STAY=1 COREDNS=path
	@tests/tools/packages.sh build lab
	@tests/tools/peers.sh lab
	@$(MAKE) --no-print-directory all
	@ISTHMUS=$(OUT)/isthmus COREDNS='$(COREDNS)' examples/lab/lab.py $(if $(STAY),--stay)

# The second half of the Corefile's manual is what the plugins and limits say of themselves.
$(BUILD)/isthmus-corefile.5: docs/isthmus-corefile.5.head $(OUT)/isthmus
	@{ cat $< && $(OUT)/isthmus plugins --man && \
	    printf '.SH SEE ALSO\n.BR isthmus (8)\n'; } >$@

# And the commands' part of the program's is what they say of themselves.
$(BUILD)/isthmus.8: docs/isthmus.8.in $(OUT)/isthmus
	@$(OUT)/isthmus help --man | sed -e '/^\.\\" COMMANDS/{r /dev/stdin' -e 'd}' $< >$@

MANUALS := $(BUILD)/isthmus.8 $(BUILD)/isthmus-corefile.5
UNITS   := $(wildcard examples/*.service examples/*.socket)

manual: $(MANUALS) ## build/isthmus.8 and isthmus-corefile.5 from the tables; read them with man -l

install: all manual ## install to DESTDIR PREFIX (/usr/local): program, manual pages, completions, examples, unit
	install -D -m 755 $(OUT)/isthmus $(DESTDIR)$(PREFIX)/bin/isthmus
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	$(OUT)/isthmus completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/isthmus
	$(OUT)/isthmus completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_isthmus
	for p in $(MANUALS); do \
	    install -D -m 644 $$p $(DESTDIR)$(PREFIX)/share/man/man$${p##*.}/$${p##*/} || exit 1; done
	for e in $(wildcard examples/*.Corefile examples/*/Corefile examples/*.json examples/*/*.yaml); do \
	    install -D -m 644 $$e $(DESTDIR)$(PREFIX)/share/doc/isthmus/$$e || exit 1; done
	for u in $(UNITS); do \
	    install -D -m 644 $$u $(DESTDIR)$(PREFIX)/lib/systemd/system/$${u##*/} || exit 1; done
	sed -i 's|=/usr/local/bin/|=$(PREFIX)/bin/|' $(DESTDIR)$(PREFIX)/lib/systemd/system/isthmus.service

uninstall: ## take away what `install` put there, with the same DESTDIR PREFIX; /etc/isthmus stays
	rm -f $(DESTDIR)$(PREFIX)/bin/isthmus $(DESTDIR)$(PREFIX)/share/bash-completion/completions/isthmus \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_isthmus $(MANUALS:$(BUILD)/isthmus%=$(DESTDIR)$(PREFIX)/share/man/man*/isthmus%) \
	    $(UNITS:examples/%=$(DESTDIR)$(PREFIX)/lib/systemd/system/%)
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/isthmus

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.* ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

.PHONY: all manual lib test check unit oom scenario e2e golden fuzz fuzz-run bench cov lint analyze format demo lab \
    install uninstall clean help
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

-include $(wildcard $(OUT)/*/*.d $(OUT)/*/*/*.d $(OUT)/*/*/*/*.d)
