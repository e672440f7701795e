#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage: mdev_probes.sh KVER|KDIR HEADERS VERSIONS
#
# Vendors compile small programs to learn which interface a kernel offers. Do
# that with the headers in HEADERS, where make install put them: whatever is
# asked, the answers must be those of one generation, the classic one unless the
# other is chosen. Looks also at which modules may use the symbols, and whether they have the
# versions that they had in a former release, which VERSIONS says. Says nothing if
# all is well; runs on the host, where scripts/with-tools lets it.
set -u
top=$(cd "$(dirname "$0")/../../../.." && pwd)
me="mdev_probes"
# shellcheck source=scripts/common.sh
. "$top/scripts/common.sh"

[ $# -eq 3 ] || die "usage: $0 KVER|KDIR HEADERS VERSIONS"
find_kernel "$1"
use_machine "$(machine_of "$kver")"
headers=$2
versions=$3
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

complain()
{
	bad=1
	say "$kver: $*"
}

# What the kernel's build would compile a vendor's file with, to be used where
# it would be used.
cat >"$work/Kbuild" <<'END'
LINUXINCLUDE := -I$(HEADERS)/$(KERNELRELEASE)/include $(LINUXINCLUDE)
$(file >$(FLAGS),$(LINUXINCLUDE) $(KBUILD_CPPFLAGS) $(KBUILD_CFLAGS) \
	$(KBUILD_CFLAGS_MODULE) -DKBUILD_MODNAME=probe)
obj-m :=
END
"$top/scripts/kernel-make" "$kdir" -s M="$work" HEADERS="$headers" FLAGS="$work/flags" modules \
	>/dev/null 2>&1
[ -s "$work/flags" ] || die "cannot learn how $kver compiles modules"

# compiles PROGRAM: it does, in the generation of $flags.
compiles()
{
	# shellcheck disable=SC2086 # a list of words
	(cd "$kdir" && "${m_cross}gcc" @"$work/flags" $flags -fsyntax-only -w -x c - \
		<<<"$1" >"$work/said" 2>&1)
}

includes='#include <linux/module.h>
#include <linux/vfio.h>
#include <linux/mdev.h>'

# A program that uses what is there compiles ...
has()
{
	compiles "$includes
$2" || complain "$generation: no $1: $(grep -m 1 error "$work/said")"
}

# ... and one that uses what is not there does not.
lacks()
{
	! compiles "$includes
$2" || complain "$generation: there is $1"
}

# The way to ask for a function that needs no knowledge of its arguments: to
# call one that is declared without any is an error, a new name may be called.
calls()
{
	echo "$includes"
	echo '#pragma GCC diagnostic ignored "-Wimplicit-function-declaration"'
	echo 'void probe(void) {'
	printf '%s();\n' "$@"
	echo '}'
}

has_functions()
{
	local name

	compiles "$(calls "$@")"
	for name; do
		grep -qE "error: .*[^a-z_]($name|${name/vfio_/vfio_mdev_}|${name}_sized)[^a-z_]" \
			"$work/said" || complain "$generation: no function $name"
	done
}

lacks_functions()
{
	compiles "$(calls "$@")" ||
		complain "$generation: there is $(grep -m 1 error "$work/said")"
}

generation=classic flags=
has "struct mdev_parent_ops" 'struct mdev_parent_ops probe;'
for member in owner dev_attr_groups mdev_attr_groups supported_type_groups \
	create remove open release read write ioctl mmap request; do
	members="${members:-} probe.$member;"
done
has "member of struct mdev_parent_ops" "void f(void);
void f(void) { struct mdev_parent_ops probe = {}; $members }"
for member in open_device close_device device_driver; do
	lacks "mdev_parent_ops.$member" \
		"size_t probe = offsetof(struct mdev_parent_ops, $member);"
done
lacks "struct mdev_parent" 'struct mdev_parent probe;'
lacks "struct mdev_type" 'struct mdev_type probe;'
lacks "an mdev_driver.device_api" \
	'size_t probe = offsetof(struct mdev_driver, device_api);'
has "mdev_driver.name" 'size_t probe = offsetof(struct mdev_driver, name);'
has "struct mdev_type_attribute" 'struct mdev_type_attribute probe;'
has "bus type" 'struct bus_type *probe = &mdev_bus_type;'
has_functions mdev_uuid mdev_from_dev mdev_parent_dev mdev_dev mdev_get_drvdata \
	mdev_set_drvdata mdev_set_iommu_device mdev_get_iommu_device \
	mdev_register_device mdev_unregister_device mdev_register_driver \
	vfio_pin_pages vfio_unpin_pages vfio_register_notifier \
	vfio_unregister_notifier vfio_group_pin_pages vfio_group_unpin_pages \
	vfio_group_get_external_user vfio_group_get_external_user_from_dev \
	vfio_group_put_external_user vfio_dma_rw vfio_info_add_capability \
	vfio_set_irqs_validate_and_prepare
lacks_functions mdev_register_parent mdev_unregister_parent \
	mdev_get_type_group_id mtype_get_parent_dev

classic='int vfio_pin_pages(struct device *dev, unsigned long *user_pfn,
	int npage, int prot, unsigned long *phys_pfn) { return 0; }
int vfio_unpin_pages(struct device *dev, unsigned long *user_pfn, int npage)
	{ return 0; }
int vfio_dma_rw(struct vfio_group *group, dma_addr_t user_iova, void *data,
	size_t len, bool write) { return 0; }'
modern='int vfio_pin_pages(struct vfio_device *device, dma_addr_t iova,
	int npage, int prot, struct page **pages) { return 0; }'
has "classic vfio_pin_pages()" "$classic"
lacks "modern vfio_pin_pages()" "$modern"
has "guid_t of mdev_uuid()" 'const guid_t *mdev_uuid(struct mdev_device *mdev)
{ return NULL; }'
flags=-DMDEV_UUID_BY_VALUE
has "uuid_le of mdev_uuid()" 'uuid_le probe(struct mdev_device *mdev);
uuid_le probe(struct mdev_device *mdev) { return mdev_uuid(mdev); }'

# What a driver is to see that takes them for a sign
flags=-DMDEV_NO_IOMMU_DEVICE
lacks_functions mdev_set_iommu_device mdev_get_iommu_device

# Names that came later are the driver's own, if it has them.
flags=
has "room for names of the driver's own" '
struct vfio_device { int dev; };
struct vfio_device_ops { int open_device, dma_unmap; };
struct vfio_migration_ops { int vfio_device; };
static int vfio_register_group_dev(int probe) { return probe; }
static int vfio_check_feature(struct vfio_device *vfio_device) { return 0; }
enum { vfio_alloc_device, vfio_iommufd_emulated_bind };'

# A source that does not include <linux/mdev.h> sees the same.
flags='' includes='#include <linux/vfio.h>'
has "classic vfio_pin_pages() in vfio.h alone" "$classic"
has_functions vfio_register_notifier
includes='#include <linux/mdev.h>
#include <linux/vfio.h>'
has "classic vfio_pin_pages() in another order" "$classic"

generation=modern flags=-DMDEV_INTERFACE=MDEV_INTERFACE_MODERN
lacks "struct mdev_parent_ops" 'struct mdev_parent_ops probe;'
has "struct mdev_parent" 'struct mdev_parent probe;'
has "mdev_driver.device_api" \
	'size_t probe = offsetof(struct mdev_driver, device_api);'
has "modern vfio_pin_pages()" "$modern"
lacks "classic vfio_pin_pages()" "$classic"
has_functions mdev_register_parent
lacks_functions mdev_register_device mdev_parent_dev mdev_uuid mdev_from_dev \
	mdev_set_iommu_device vfio_register_notifier vfio_group_pin_pages

# What classic sources call by names that drifted since then
generation=classic flags='-include vfio-compat/drift.h' includes=
has "old meaning of names that drifted" '#include <asm/unaligned.h>
MODULE_IMPORT_NS(PROBE);
struct file_operations no_seek = { .llseek = no_llseek };
__u64 signal(struct eventfd_ctx *ctx) { return eventfd_signal(ctx, 2); }
u32 word(void *data) { return get_unaligned((u32 *)data); }
struct class *class(void) { return class_create(THIS_MODULE, "probe"); }
void area(struct vm_area_struct *vma)
{
	unsigned long flags = vma->vm_flags;

	vma->vm_flags |= VM_IO | flags;
	vma->vm_flags &= ~VM_MAYEXEC;
}
int with(struct vm_area_struct *vma, void *data)
{
	return remap_vmalloc_range_partial(vma, vma->vm_start, data, 1, PAGE_SIZE);
}
int without(struct vm_area_struct *vma, void *data)
{
	return remap_vmalloc_range_partial(vma, vma->vm_start, data, PAGE_SIZE);
}
struct probe { struct timer_list timer; struct hrtimer hrtimer; int fired; };
void fire(struct timer_list *t)
{
	struct probe *probe = from_timer(probe, t, timer);

	probe->fired = 1;
}
enum hrtimer_restart expire(struct hrtimer *timer) { return HRTIMER_NORESTART; }
int stop(struct probe *probe)
{
	timer_setup(&probe->timer, fire, 0);
	hrtimer_init(&probe->hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	probe->hrtimer.function = expire;
	return del_timer(&probe->timer) + del_timer_sync(&probe->timer);
}'

# answers_to PROBE...: of each, a line with its name and whether it finds something, in
# the generation of $flags: of a member, its place in the struct; of a function, a
# call without arguments, which is an error if it is known. One compilation does, as
# the compiler gives the probe's name for that of the file.
answers_to()
{
	local probe

	compiles "$(
		echo "$includes"
		echo '#pragma GCC diagnostic ignored "-Wimplicit-function-declaration"'
		for probe; do
			echo "#line 1 \"probe:$probe\""
			case $probe in
			*'()')	echo "void call_${probe%()}(void) { $probe; }" ;;
			*)	echo "size_t place_${probe/./_} = offsetof(struct ${probe/./, });" ;;
			esac
		done
	)"
	for probe; do
		case $probe:$(grep -cF "probe:$probe:" "$work/said") in
		*'():0'|*[!\)]:[1-9]*)	echo "$probe no" ;;
		*)			echo "$probe yes" ;;
		esac
	done
}

# The table in porting.txt: of each probe, what it finds beside the classic interface,
# with the VFIO core as well, and beside the modern one. Where it says "kernel", that
# goes by the kernel.
includes='#include <linux/module.h>
#include <linux/vfio.h>
#include <linux/mdev.h>'
table=$(sed -n 's/^  \([a-z_]*\.[a-z_]*\|[a-z_]*()\) *\(yes\|no\|kernel\) .*/&/p' \
	"$top/Documentation/porting.txt")
mapfile -t probes < <(awk '{ print $1 }' <<<"$table")
[ ${#probes[@]} -ge 40 ] || complain "porting.txt has a table of ${#probes[@]} probes"
column=2
for flags in '' -DMDEV_WITH_VFIO_CORE -DMDEV_INTERFACE=MDEV_INTERFACE_MODERN; do
	while read -r probe found; do
		said=$(awk -v p="$probe" -v c=$column '$1 == p { print $c }' <<<"$table")
		case $said in
		"$found"|kernel)	;;
		*)	complain "$probe, compiled with '$flags': $found, porting.txt says $said" ;;
		esac
	done < <(answers_to "${probes[@]}")
	column=$((column + 1))
done

# Of a folder that is searched behind the kernel's, the first error says so.
flags=
ours=-I$headers/$kver/include
sed -i "s,^$ours \(.*\),\1 $ours," "$work/flags"
for header in linux/mdev_pci.h linux/mdev_virtual.h vfio-compat/drift.h; do
	compiles "#include <$header>"
	grep -m 1 'error: ' "$work/said" | grep -q 'must come first' ||
		complain "$header behind the kernel's headers: $(grep -m 1 'error' "$work/said")"
done

# What our own headers ask the kernel's (include/vfio-compat/ask), where a
# distribution has brought something into a kernel, or the question does not fit.
# asked FOLDER COMPILER: with the headers in FOLDER before the kernel's.
asked()
{
	(cd "$kdir" && CC=$2 NOSTDINC_FLAGS='' LINUXINCLUDE="-I$1" KBUILD_CPPFLAGS='' \
		KBUILD_CFLAGS=$(sed "s, $ours,," "$work/flags") KBUILD_CFLAGS_MODULE='' \
		"$top/include/vfio-compat/ask" "$work/answers.h")
}

# answers WHAT EXPECTED: it said that, or left that answer.
answers()
{
	grep -qF "$2" "$work/said" "$work/answers.h" 2>/dev/null ||
		complain "headers are asked, $1: \"$(head -n 1 "$work/said")\", not \"$2\""
	rm -f "$work/answers.h"
}

# changed HEADER SCRIPT: the kernel's header, in a folder of its own, as sed changes it.
changed()
{
	local dir

	rm -rf "$work/changed"
	mkdir -p "$work/changed/$(dirname "$1")"
	for dir in $(tr ' ' '\n' <"$work/flags" | grep '^-I/' | grep -vxF -e "$ours"); do
		[ -e "${dir#-I}/$1" ] || continue
		sed "$2" "${dir#-I}/$1" >"$work/changed/$1"
		return
	done
	complain "there is no <$1>"
}

mkdir -p "$work/none"
asked "$work/none" "${m_cross}gcc" >"$work/said"
cmp -s <(grep define "$work/answers.h") \
	<(grep define "$headers/$kver/include/generated/vfio-compat.h") ||
	complain "headers are asked: other answers than in the build: $(head -n 1 "$work/said")"
one_device=$(sed -n 's/.*HAS_CLASS_COMPAT_ONE_DEVICE //p' "$work/answers.h")
case $(grep REGION_INFO_CAPS "$work/answers.h") in
*1)	changed linux/vfio.h 's/get_region_info_caps/get_region_info_else/'
	expected=0 ;;
*)	changed linux/vfio.h '/^struct vfio_device_ops {/{
		i struct vfio_info_cap;
		a int (*get_region_info_caps)(struct vfio_device *vdev, struct vfio_region_info *info, struct vfio_info_cap *caps);
		}'
	expected=1 ;;
esac
asked "$work/changed" "${m_cross}gcc" >"$work/said"
answers "with another op in struct vfio_device_ops" \
	"VFIO_COMPAT_HAS_VFIO_REGION_INFO_CAPS $expected"
case $one_device in
1)	changed linux/device/class.h 's/^\(int class_compat_create_link(.*\));/\1, struct device *device_link);/' ;;
*)	changed linux/device/class.h '/^int class_compat_create_link(/{N;s/,[^,]*);/);/;}' ;;
esac
asked "$work/changed" "${m_cross}gcc" >"$work/said"
answers "with a class_compat_create_link() of the other form" \
	"VFIO_COMPAT_HAS_CLASS_COMPAT_ONE_DEVICE $((1 - one_device))"
changed linux/device/class.h 's/\(int class_compat_create_link(\)[^,]*,/\1int a, int b, struct class_compat *cls,/'
asked "$work/changed" "${m_cross}gcc" >"$work/said"
answers "with a class_compat_create_link() of a third form" "cannot tell what this kernel has"
asked "$work/none" false >"$work/said"
answers "with a compiler that fails" "the compiler does not work"

# Which modules may use the symbols: as in the classic era and in today's kernels.
symvers=$headers/$kver/Module.symvers
exported()
{
	local class=$1 name is
	shift

	for name; do
		is=$(awk -v s="$name" '$2 == s { print $4 }' "$symvers")
		[ "$is" = "$class" ] || complain "$name: ${is:-not exported}, not $class"
	done
}
others=$(awk -F '\t' '$3 !~ /(^|\/)drivers\/vfio\// { print $2 }' "$symvers")
[ -z "$others" ] || complain "symbols that are not for vendors: $(xargs <<<"$others")"
exported EXPORT_SYMBOL mdev_register_device_sized mdev_unregister_device \
	mdev_get_drvdata mdev_set_drvdata mdev_uuid mdev_parent_dev mdev_to_dev \
	mdev_from_dev mdev_set_iommu_device mdev_get_iommu_device \
	mdev_register_bus_driver mdev_unregister_bus_driver \
	mdev_register_parent mdev_unregister_parent mdev_register_driver \
	mdev_unregister_driver \
	vfio_mdev_pin_pages vfio_mdev_unpin_pages vfio_mdev_dma_rw \
	vfio_register_notifier vfio_unregister_notifier \
	vfio_group_pin_pages vfio_group_unpin_pages
exported EXPORT_SYMBOL_GPL mdev_bus_type vfio_group_get_external_user \
	vfio_group_get_external_user_from_dev vfio_group_put_external_user

# A driver that was built with a former release is loaded if all versions are as they were.
while read -r version name _; do
	is=$(awk -v s="$name" '$2 == s { print $1 }' "$symvers")
	[ "$is" = "$version" ] || complain "$name has version ${is:-none}, not $version as in v0.1"
done <"$versions"

# registration HEADER: the version of the registration where <linux/mdev_classic.h> is
# that, as the kernel's build finds it out.
registration()
{
	mkdir -p "$work/more/linux"
	cat >"$work/more/linux/mdev_classic.h"
	(cd "$kdir" && "${m_cross}gcc" -E -D__GENKSYMS__ -I"$work/more" @"$work/flags" \
		"$top/drivers/vfio/mdev/mdev_classic.c" | scripts/genksyms/genksyms) |
		grep -oE 'mdev_register_device_sized.*0x[0-9a-f]*' | grep -oE '0x[0-9a-f]*'
}

# One more op changes none, if it stands as the header says.
if [ -x "$kdir/scripts/genksyms/genksyms" ] &&
    grep -qx CONFIG_MODVERSIONS=y "$kdir/include/config/auto.conf"; then
	sed -i "s,^,$ours ," "$work/flags"
	classic=$headers/$kver/include/linux/mdev_classic.h
	more='int (*more)(struct mdev_device *mdev);'
	hidden="#ifndef __GENKSYMS__\\n$more\\n#endif"
	is=$(registration <"$classic")
	[ "$is" = "$(awk '$2 == "mdev_register_device_sized" { print $1 }' "$symvers")" ] ||
		complain "the version of the registration is not found out as the build does: $is"
	[ "$(sed "/^struct mdev_parent_ops {/,/^};/s/^};/$hidden\\n&/" "$classic" | registration)" = "$is" ] ||
		complain "one more op changes the version of the registration"
	[ "$(sed "/^struct mdev_parent_ops {/,/^};/s/^};/$more\\n&/" "$classic" | registration)" != "$is" ] ||
		complain "one more op that all see does not change the version of the registration"
fi

exit $bad
