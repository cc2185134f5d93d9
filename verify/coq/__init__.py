"""The norm rules, analysis facts and inequality steps as Coq files, compiled by ``make coq`` (Coq 8.16, Coquelicot 3.2, Interval 4.6).

Written by hand are the files of this folder:

    Sums.v Norms.v                finite sums, matrices as functions of two indices, and their norms
    NormRules.v Structure.v       the rules of the norm calculus
    Taylor.v Rows.v Softmax.v     T_g and J_g, row-normalised weights, softmax
    Formulas.v                    what generated statements speak of

Generated are Rules.v (every rule of `theorems.norms`), Claims.v (claims of statements, translated), Steps.v (steps of certificates) and
Boxes.v (bounds at numbers, by interval arithmetic inside Coq). The proposition of a generated theorem comes from the data that it is
about, so a changed rule, claim or step is another theorem, which its script does not prove.
"""
