// SPDX-License-Identifier: GPL-2.0-only
/// An index that is compared with a bound goes through array_index_nospec()
/// before an array sees it: the processor reads ahead with an index that the
/// comparison refuses, and what it has read can be told from outside. This is
/// asked of every index, as it is cheaper than to know where it is from. Looked for
/// are, in a function:
///
///  - if (index >= n) return; ... array[index]
///  - if (index < n) { ... array[index] }, a function that is given the index there,
///    and the use in the condition itself, of what is called an index, a vector and
///    so on (of the rest most are walks)
///  - if (index >= n) return -EINVAL; without array_index_nospec() afterwards, of
///    what is called an index, a start or a vector: it goes where nobody checks it
///    again. mdev_pci_bar() does it, too
///  - return &array[index] of a parameter, which its callers have checked
///  - a vendor's set_irqs() that is given the start which the VFIO core has checked
///
/// Not seen are an index that the labels of a switch bound, one whose sum with a
/// length is compared with the bound, and one that is added to a pointer.
///
// Confidence: High
// Options: --no-includes --include-headers

virtual report

@initialize:python@
@@
import re

def numbers_something(name):
    return re.search(r'(index|idx|start|vector|bar|reg|port|offset)$', name)

def is_passed_on(name):
    return re.search(r'((^|\W)(index|start|vector)|^\* offset|_TO_INDEX \(.*\))$', name)

def complain(check, use, name):
    coccilib.report.print_report(use[0],
        "%s, compared with a bound in line %s, lacks array_index_nospec()"
        % (name, check[0].line))

@behind exists@
expression I, N, A;
position p, q;
statement S;
@@
 if (<+... \( I@p >= N \| I@p > N \) ...+>) S
 ... when != I = array_index_nospec(...)
 A[I]@q

@script:python depends on report@
p << behind.p;
q << behind.q;
i << behind.I;
@@
if not i.isdigit():
    complain(p, q, i)

@condition@
expression I, N;
position p, r;
statement S1, S2;
@@
(
 if@r (<+... \( I@p >= N \| I@p > N \| I@p < N \| I@p <= N \) ...+>) S1
|
 if@r (<+... \( I@p >= N \| I@p > N \| I@p < N \| I@p <= N \) ...+>) S1 else S2
)

@within@
expression condition.I, A;
position condition.r, q;
statement S1, S2;
@@
(
 if@r (<+... A[I]@q ...+>) S1
|
 if@r (<+... A[I]@q ...+>) S1 else S2
)

@script:python depends on report@
p << condition.p;
q << within.q;
i << condition.I;
@@
if numbers_something(i):
    complain(p, q, i)

@choice@
expression I, N, A, E;
position p, q;
@@
(
 I@p < N ? <+... A[I]@q ...+> : E
|
 I@p >= N ? E : <+... A[I]@q ...+>
)

@script:python depends on report@
p << choice.p;
q << choice.q;
i << choice.I;
@@
if numbers_something(i):
    complain(p, q, i)

@block exists@
expression I, N, A;
identifier fn != { array_index_nospec, mdev_pci_bar };
position p, q;
statement S;
@@
(
 if (<+... \( I@p < N \| I@p <= N \) ...+>) {
 ... when != I = array_index_nospec(...)
 \( A[I]@q \| fn(..., I@q, ...) \)
 ... when any
 }
|
 if (<+... \( I@p < N \| I@p <= N \) ...+>) {
 ... when != I = array_index_nospec(...)
 \( A[I]@q \| fn(..., I@q, ...) \)
 ... when any
 } else S
)

@script:python depends on report@
p << block.p;
q << block.q;
i << block.I;
@@
if numbers_something(i):
    complain(p, q, i)

@passed exists@
expression I, N;
constant E;
position p;
identifier fn;
@@
 fn(...) {
 ... when any
 if (<+... I@p >= N ...+>) return -E;
 ... when != array_index_nospec(I, ...)
     when != mdev_pci_bar(..., I)
 }

@script:python depends on report@
p << passed.p;
i << passed.I;
@@
if is_passed_on(i):
    complain(p, p, i)

@accessor exists@
identifier fn, I;
expression A;
position q;
type T;
@@
 fn(..., T I, ...) {
 ... when != I = array_index_nospec(...)
 return &A[I]@q;
 }

@script:python depends on report@
q << accessor.q;
i << accessor.I;
@@
if numbers_something(i):
    coccilib.report.print_report(q[0], "%s lacks array_index_nospec()" % i)

@vendor exists@
expression H, V;
position p, q;
@@
 vfio_set_irqs_validate_and_prepare@p(&H, ...)
 ... when != H.start = array_index_nospec(...)
     when any
 V->set_irqs@q(..., H.start, ...)

@script:python depends on report@
p << vendor.p;
q << vendor.q;
h << vendor.H;
@@
complain(p, q, h + ".start")
