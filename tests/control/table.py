"""Which claim of the suite each control stands for: (statement, part, reading) -> control."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from . import appendix_c as c
from . import appendix_d as d
from . import appendix_e as e
from . import appendix_fgh as fgh
from . import appendix_ijk as ijk
from . import approximation as approx
from . import error_chain as chain
from . import main_text, polynomial, structure
from .comparison import Control

Key = tuple[str, str, str]
PRINTED = "as printed"
NO_SCALE = "f by Definitions C.6-C.8 (no 1/d)"
WITH_SCALE = "f by Definition C.3 (with 1/d)"
BY_ROWS = "w row by row: w_{(k-1)d+l} = W_{k,l}"
BY_COLUMNS = "w column by column: w_{(k-1)d+l} = W_{l,k}"
TABLE: dict[Key, Control] = {}


def printed(statement: str, **parts: Control) -> None:
    """Controls of parts in the only reading; a part is written with _ before its number."""
    for part, control in parts.items():
        TABLE[statement, part.removeprefix("_"), PRINTED] = control


def named(statement: str, parts: dict[str, Control]) -> None:
    for part, control in parts.items():
        TABLE[statement, part, PRINTED] = control


def scaled(statement: str, part: str, control: Callable[..., Iterable[float]], **fixed: object) -> None:
    """A control in both readings of f."""
    for reading, with_scale in ((NO_SCALE, False), (WITH_SCALE, True)):
        TABLE[statement, part, reading] = partial(control, with_scale=with_scale, **fixed)


# -- main text ---------------------------------------------------------------------------------------------------------
scaled("3.4", "1", c.c_4_part_1)
scaled("3.4", "2 W_Q", main_text.part_2_of_3_4, weight="W_Q")
scaled("3.4", "2 W_K", main_text.part_2_of_3_4, weight="W_K")
scaled("3.4", "2 W_V", c.c_4_part_3)
named("Alg.1", {"line 13, G_i": main_text.line_13})
TABLE["Alg.1", "line 19, g_w", "U_3, V_3 of Lemma C.15, factors of p_1 alone"] = main_text.line_19_with_p_1
scaled("Alg.1", "line 16, g_t", main_text.line_16)
scaled("Alg.1", "line 19, g_w", main_text.line_19)
scaled("Alg.1", "line 22, g_v", main_text.line_22)

# -- C -----------------------------------------------------------------------------------------------------------------
printed("C.1", _1=c.c_1_part_1, _2a=c.c_1_part_2a, _2b=c.c_1_part_2b, _3=c.c_1_part_3)
printed("C.2", _1=c.c_2)
printed("C.3-note", _1=c.c_3_note)
printed("C.3-note.K", _1=c.c_3_note_key)
scaled("C.4", "1", c.c_4_part_1)
scaled("C.4", "2", c.c_4_part_2)
scaled("C.4", "3", c.c_4_part_3)
printed("C.12", _1=c.c_12)
printed("C.14", constant=c.c_14)
printed("C.15", factors=c.c_15_factors, constant=c.c_15_constant)
# The constant is that of diag(r~) f~; with the factors as printed it fails, see c_16_printed.
named("C.16", {"printed factors": c.c_16_printed_exact, "r~": c.c_16_r})
TABLE["C.16", "constant", "of the approximation diag(r~) f~"] = c.c_16_rows
printed("C.17", _1=c.c_17)
printed("C.18", _1=c.c_18, poly=c.c_18_poly)
printed("C.19", _1=c.c_19, poly=c.c_19_poly)

# -- D -----------------------------------------------------------------------------------------------------------------
scaled("D.1", "1 (i0 = i1)", d.d_1_part_1)
scaled("D.1", "2 (i0 != i1)", d.d_1_part_2)
scaled("D.2", "1", d.d_2)
printed("D.3", _1=d.d_3)
printed("D.4", _1=d.d_4)
printed("D.5", _1=d.d_5)
printed("D.6", _1=d.d_6)
printed("D.7", _1=d.d_7)
scaled("D.8", "1", d.d_8)
scaled("D.9", "1", d.d_9)
SUMS = {name: partial(d.d_10_to_14, name=name) for name in d.CLOSED}
printed("D.10", _1=SUMS["b_6"])
printed("D.11", _1=SUMS["b_7"])
printed("D.12", _1=SUMS["b_8"])
printed("D.13", _1=SUMS["b_2"])
printed("D.14", _1=SUMS["b_4"])
printed("D.16", _1=d.d_16)
printed("D.17", z_6=d.d_17_z_6, z_7=d.d_17_z_7, z_2=d.d_17_z_2, z_4=d.d_17_z_4)
named("D.17", {name.replace("b", "D"): control for name, control in SUMS.items()})

# -- E -----------------------------------------------------------------------------------------------------------------
printed("E.2", constant=e.e_2)
printed("E.3", constant=partial(e.e_3_5_8_10, name="b_6"))
printed("E.4", factors=e.e_4_factors, constant=e.e_4)
printed("E.5", constant=partial(e.e_3_5_8_10, name="b_7"))
printed("E.6", constant=e.e_6)
printed("E.7", constant=e.e_7)
printed("E.8", constant=partial(e.e_3_5_8_10, name="b_2"))
printed("E.9", factors=e.e_9_factors, constant=e.e_9)
named("E.9", {"printed equality (at most)": e.e_9_at_most, "printed equality": e.e_9_equality})
printed("E.10", constant=partial(e.e_3_5_8_10, name="b_4"))
scaled("E.11", "1", e.e_11)
scaled("E.11", "errors", e.e_11_errors)

# -- F, G, H -----------------------------------------------------------------------------------------------------------
for order, vector in ((BY_ROWS, fgh.row_by_row), (BY_COLUMNS, fgh.column_by_column)):
    for reading, with_scale in ((NO_SCALE, False), (WITH_SCALE, True)):
        TABLE["F.3", "1", f"{order}; {reading}"] = partial(fgh.f_3, with_scale=with_scale, vector=vector)
scaled("F.4", "step 1", fgh.f_4_step_1)
named("F.4", {"step 2": fgh.f_4_step_2, "step 3": fgh.f_4_step_3})
scaled("F.4", "closed form", fgh.f_4)
printed("F.5", p_1=fgh.f_5_p_1, p_2=fgh.f_5_p_2)
TABLE["F.5", "gradient", NO_SCALE] = partial(fgh.f_5_gradient, with_scale=False)
TABLE["F.5", "gradient", f"{WITH_SCALE}, exact factors"] = partial(fgh.f_5_gradient, with_scale=True, exact=True)
named("G.1", {"1 (j0 = j1)": partial(fgh.g_1, same=True), "2 (j0 != j1)": partial(fgh.g_1, same=False)})
named("G.2", {"1 (j2 = j1)": partial(fgh.g_2_part_1, same=True), "1 (j2 != j1)": partial(fgh.g_2_part_1, same=False)})
printed("G.2", _2=fgh.g_2_part_2)
scaled("G.3", "1", fgh.g_3)
printed("G.4", constant=fgh.g_4_constant)
scaled("G.4", "gradient", fgh.g_4_gradient)
named("H.1", {"1 (i4 = i5)": partial(fgh.h_1_part_1, same=True), "1 (i4 != i5)": partial(fgh.h_1_part_1, same=False)})
printed("H.1", _2=fgh.h_1_part_2)
named("H.2", {"closed form": fgh.h_2})
printed("H.3", constant=fgh.h_3_constant)
printed("H.4", constant=fgh.h_3_constant)

# -- I, J, K -----------------------------------------------------------------------------------------------------------
printed("I.3", value=ijk.i_3)
printed("Alg.2", b_j=ijk.alg_2_b, Y_j=ijk.alg_2_y)
printed("I.4", value=ijk.i_4)
named("I.6", {"1 order": ijk.i_6_part_1, "2 factors": ijk.i_6_part_2})
named("I.7", {f"{part} order": partial(ijk.i_7, part=part) for part in (1, 2, 3, 4)})
named("I.8", {f"{part} order": partial(ijk.i_8, part=part) for part in (1, 2, 3)})
named("J.3", {"chain rule, H = g": ijk.j_3_outer, "chain rule, H = Attn": ijk.j_3_attention})
printed("J.3", constant=ijk.j_3_constant)
printed("J.4", constant=partial(ijk.j_4_constant, last=True))
printed("J.5", constant=partial(ijk.j_4_constant, last=False))
named("K.2", {"chain rule": ijk.k_2_chain_rule, "sum over heads": ijk.k_2_sum})
named("K.2", {"one head": ijk.k_2_one_head, "all heads": ijk.k_2_all_heads})

# -- repairs -----------------------------------------------------------------------------------------------------------
printed("C.14r", constant=approx.c_14)
printed("C.15r", constant=approx.c_15)
named("C.16r", {"r~": approx.c_16_r, "constant": approx.c_16, "|r~ - r|": approx.c_16_r_error})
printed("C.18r", _1=c.c_18_by_d)
named("D.1r", {"1 (i0 = i1)": partial(d.d_1_repaired, same=True), "2 (i0 != i1)": partial(d.d_1_repaired, same=False)})
printed("D.8r", _1=d.d_8_repaired)
printed("D.9r", _1=d.d_9_repaired)
printed("E.1r", constant=approx.e_1)
for label, name in (("E.2r", "z_6"), ("E.4r", "z_7"), ("E.7r", "z_2"), ("E.9r", "z_4")):
    printed(label, constant=partial(approx.e_z, name=name))
for label, name in (("E.3r", "z_6"), ("E.5r", "z_7"), ("E.8r", "z_2"), ("E.10r", "z_4")):
    printed(label, constant=partial(approx.e_d, name=name))
printed("E.6r", constant=approx.e_6)
TABLE["E.11r", "1", "any scale tau"] = e.e_11_repaired
printed("E.11r.errors", constant=approx.e_11_errors)
printed("F.5r", constant=approx.f_5)
scaled("G.3r", "1", fgh.g_3_repaired)
printed("G.4r", constant=approx.g_4)
named("H.3r", {"through g_0": approx.h_3})
TAYLOR = {
    quantity: partial(polynomial.repaired_algorithm, of=of)
    for quantity, of in {
        "f": polynomial.weights,
        "output": polynomial.output,
        "dL/dX": polynomial.dL_dX,
        "dL/dW": polynomial.dL_dW,
        "dL/dW_V": polynomial.dL_dW_V,
    }.items()
}
named("Alg.1r", {part: control for part, control in TAYLOR.items() if part != "f"})
printed("C.13r", error=TAYLOR["f"])
printed("5.1r", _1=TAYLOR["dL/dX"])
printed("5.2r", _1=TAYLOR["dL/dW"])
printed("5.3r", _1=TAYLOR["dL/dW_V"])
for label, sig in (("H.4r", 0), ("J.4r", 1)):
    named(label, {"closed form": partial(structure.closed_form, sig=sig)})
    named(label, {"size of one step": partial(structure.size_of_step, sig=sig)})
    named(label, {"error of one step": partial(structure.error_of_step, sig=sig)})
for label in ("H.4r", "J.5r"):
    named(label, {"recurrence": structure.recurrence, "through g_0": structure.through_g_0})
named("I.6r", {"1 error": structure.i_6_part_1, "2 error": structure.i_6_part_2})
named("I.6r", {"3 transposed": structure.i_6_transposed, "3 suffix sums": structure.i_6_suffix_sums})
named("I.7r", {f"{part} error": partial(structure.i_7, part=part) for part in (1, 2, 3, 4)})
named("I.8r", {f"{part} error": partial(structure.i_8, part=part) for part in (1, 2, 3)})
printed("L.1", _1=structure.l_1)
printed("K.2r", size=structure.k_2_size, error=structure.k_2_error)

# -- facts -------------------------------------------------------------------------------------------------------------
named(
    "T.1", {"1 supremum": polynomial.t_1_supremum, "2 upper": polynomial.t_1_upper, "3 looser": polynomial.t_1_looser}
)
named("T.1", {"4 lower": polynomial.t_1_lower, "5 absolute": polynomial.t_1_absolute})
named("T.2", {"1 even": polynomial.t_2_even, "2 odd, if": polynomial.t_2_odd_if})
named("T.2", {"3 odd, only if": polynomial.t_2_odd_only_if})
printed("T.3", _1=polynomial.t_3)
named("S.1", {"1 entrywise": chain.s_1_entrywise, "2 largest entry": chain.s_1_largest, "3 row l1": chain.s_1_row})
named("S.1", {"4 relative": chain.s_1_relative, "5 simpler": chain.s_1_simpler, "6 rows": chain.s_1_rows})
named("S.3", {"1 size": chain.s_3_size, "2 error": chain.s_3_error, "3 size with an error": chain.s_3_moved_size})
named("S.4", {"1 rows": chain.s_4_rows, "2 less their mean": chain.s_4_less_mean})
printed("S.2", _1=chain.s_2_tanh, _2=chain.s_2_largest)
for part in (
    "diag(K) f X W^T", "(f * G h^T) X W^T", "(diag(K) f)^T X W", "(f * G h^T)^T X W", "f^T G W_V^T", "K"
):  # fmt: skip
    named("max.1", {part: partial(chain.max_1, term=part)})
named("max.2", {"1 exact K": chain.max_2_exact, "2 approximate K": chain.max_2_approximate})
named("max.3", {"dL/dW": chain.max_3_w, "dL/dW_V": chain.max_3_w_v})
named("l1.1", {"1 error": chain.l1_1_error, "2 size": chain.l1_1_size, "3 forward": chain.l1_1_forward})
named("l1.2", {"1 size": chain.l1_2_size, "2 error": chain.l1_2_error})
named("l1.3", {"dL/dW": chain.l1_3_w, "dL/dW_V": chain.l1_3_w_v})
printed("l1.4", _1=chain.l1_4)
