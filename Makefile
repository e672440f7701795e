# SPDX-License-Identifier: GPL-2.0
#
# What a person types; "make help" lists it. The kernel's build reads Kbuild.

# The kernel to build for: a build tree, a version, or the running one.
kernel = '$(or $(KDIR),$(KVER),$(shell uname -r))'

# What the selections of a person mean to those that run tests.
export KVER KERNEL LANE TESTS TYPE1 PROGRAMS LIBVIRT BENCH ROWS COUNTS IOMMUFD COLD
export DEBIAN SHORT SECUREBOOT IN_USE
export DESTDIR INSTALL_MOD_PATH MAKE

# FRESH=1: in a Debian root where nothing was installed before.
fresh = $(if $(filter 1,$(FRESH)),tools/testing/fresh/run $@)
not-fresh := $(filter-out check check-machines demo bench lint lint-machines doccheck kernelcheck install,$(or $(MAKECMDGOALS),modules))
ifneq ($(filter-out 0,$(FRESH)),)
ifneq ($(FRESH),1)
$(error FRESH=$(FRESH) means nothing: it is 1, or left out)
else ifneq ($(not-fresh),)
$(error FRESH=1 is for check, check-machines, demo, bench, lint, lint-machines, doccheck, kernelcheck and install; "make $(not-fresh)" without it)
endif
endif

modules: ## build the modules for the running kernel (KVER=<version>, KDIR=<build tree>)
	+@scripts/build $(kernel)

kernels: ## build them for the newest installed kernel of each supported series
	+@scripts/build-all

install: ## modules into /lib/modules/*/updates, headers for vendors into /usr/src/vfio-mdev
	@$(or $(fresh),scripts/install $(kernel))

uninstall: ## take away what install put there
	@scripts/install -u $(kernel)

check: ## run the tests, in User Mode Linux and in virtual machines (LANE=, KVER=, TESTS=, TYPE1=, PROGRAMS=, ARCH=)
	@$(or $(fresh),tools/testing/vm/check)

check-machines: ## run some on emulated machines of other kinds, side by side (ARCH="arm64 s390x")
	@$(or $(fresh),ARCH='$(or $(ARCH),arm64 s390x)' KVER='$(or $(KVER),6.12)' TESTS='$(or $(TESTS),quick)' \
		tools/testing/vm/check)

demo: ## see a guest use a mediated device, in a virtual machine (KERNEL=6.12, LIBVIRT=1, ARCH=arm64)
	@$(or $(fresh),tools/demo/demo)

bench: ## measure against the kernel's modules, in virtual machines (BENCH=, KVER=, ROWS=, IOMMUFD=1)
	@$(or $(fresh),tools/testing/bench/run)

lint: ## check style, sparse, W=1, coccinelle, kernel-doc, shell scripts, symbol versions
	+@$(or $(fresh),scripts/lint)

lint-machines: ## have the compiler and sparse check them for other machines (ARCH="arm64 s390x", KVER=)
	+@$(or $(fresh),ARCH='$(or $(ARCH),arm64 s390x)' scripts/lint)

litmus: ## ask the kernel's memory model about each rule of memory ordering, by herd7
	@tools/testing/litmus/run

crccheck: ## compare our symbol versions with those that the stock kvmgt.ko asks for
	+@scripts/crccheck

btfcheck: ## compare what we know of the VFIO core with what the kernels say of it
	+@scripts/btfcheck

doccheck: ## do what README.md and the how-tos say, line by line (KVER=<version>)
	@$(or $(fresh),tools/testing/docs/run)

kernelcheck: ## run the kernel's own selftests for VFIO, with its type1 and with ours (KVER=)
	@$(or $(fresh),tools/testing/kernelcheck/run)

deb: ## build Debian packages: modules for DKMS, headers, samples, tests (VERSION=)
	@scripts/deb $(VERSION)

packages-check: ## install, upgrade and purge these packages in a root of their own (DEBIAN=, SHORT=1, SECUREBOOT=1, IN_USE=1)
	@tools/testing/packages/run

overlay: ## lay the modules over a kernel source tree (TREE=<folder>)
	@scripts/overlay '$(TREE)'

clean: ## remove what was built
	@scripts/clean

help: ## list the targets
	@echo 'make [TARGET] [W=1] [C=1] [V=1]; check, check-machines, demo, bench, lint, lint-machines, doccheck, kernelcheck, install: [FRESH=1] [COLD=1]'
	@sed -n 's/^\([a-z-]*\): ## /\1\t/p' $(MAKEFILE_LIST) | \
		while IFS='	' read -r target what; do \
			printf '  %-14s %s\n' "$$target" "$$what"; \
		done

.PHONY: modules kernels install uninstall check check-machines demo bench lint lint-machines litmus crccheck btfcheck doccheck kernelcheck deb packages-check overlay clean help
