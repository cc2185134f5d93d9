"""Mutation: true claims and the implementation with one planted mistake each, put to the engines that judge the real ones.

`formulas` and `expressions` plant mistakes in formulas and in bounds, `claims` in whole claims, `population` chooses mutants of the
statements that the baseline calls true, `judge` examines one as a campaign would; `source` plants mistakes in modules of impl.

    python -m almostlinear.verify.mutation             # 1,200 mutants, or --count; --impl for those of the implementation
"""
