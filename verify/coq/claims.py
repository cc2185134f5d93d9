"""Claims of statements as Coq theorems: the proposition is translated from the claim, the script applies the facts of the .v files."""

from __future__ import annotations

from dataclasses import dataclass

from almostlinear.theorems.statement import Bound

from .translate import NotTranslated, name_of, statement

HEAD = """From Coq Require Import Reals Lra Lia Bool Arith.
From Almostlinear Require Import Sums Norms NormRules Structure Taylor Rows Centred Softmax Formulas.
Open Scope R_scope.

Ltac unfolded := unfold add, hadamard, taylor, exponential, scale, ones, absolute, times, recip.
Ltac nonneg_norm := apply max_nonneg; auto.
Ltac entries := apply max_spec; auto; intros i j Hi Hj.
Ltac tops := apply top_spec; auto; intros i j Hi Hj.
(* Row-normalised matrices by letters, with their entries as quotients. *)
Ltac name_weights := repeat match goal with |- context [matmul ?n (diag (recip (matmul ?n ?K ones))) ?K] =>
  let f := fresh "f" in let H := fresh "entry_of" in
  set (f := matmul n (diag (recip (matmul n K ones))) K);
  assert (H : forall i j, (i < n)%nat -> f i j = K i j / sum n (K i)) by (intros; apply (normalised_entry n n K); auto);
  clearbody f end.
Ltac quotients := repeat match goal with H : (forall i j : nat, _ -> _ i j = _ / _) |- _ => rewrite ?H by auto; clear H end.
Ltac signs := repeat match goal with |- context [?a + -1 * ?b] => replace (a + -1 * b) with (a - b) by ring end.
"""

ENTRY = "apply entry_below; auto"
WEIGHTS = """intros n eta E M S n_pos eta_pos bounded masked most. assert (range : 0 <= eta <= 1) by lra.
  pose proof (near_by_errors n M S E eta masked bounded range) as near. name_weights"""
"""Scripts by statement and part. Hypotheses are named as Coq numbers them."""
SCRIPTS: dict[tuple[str, str], str] = {
    ("T.1", "1 supremum"): f"""intros. entries. replace j with 0%nat in * by lia. unfolded.
  replace (T g (x i 0%nat) * exp (-1 * x i 0%nat) + -1 * 1) with (T g (x i 0%nat) * exp (- x i 0%nat) - 1)
    by (replace (-1 * x i 0%nat) with (- x i 0%nat) by ring; ring).
  apply relative_error. {ENTRY}.""",
    ("T.1", "2 upper"): """intros. pose proof (J_upper g (norm_max n 1 x) ltac:(nonneg_norm)) as H1.
  eapply Rle_trans; [exact H1|]. right. rewrite (Nat.add_comm 1 g). pose proof (pos_INR g). pose proof (max_nonneg n 1 x H0 Nat.lt_0_1).
  field. repeat split; try apply fact_neq; lra.""",
    ("T.1", "3 looser"): """intros. pose proof (J_looser g (norm_max n 1 x) ltac:(nonneg_norm)) as H1.
  rewrite (Nat.add_comm 1 g). pose proof (pos_INR g). pose proof (max_nonneg n 1 x H0 Nat.lt_0_1).
  eapply Rle_trans; [|eapply Rle_trans; [exact H1|]]; right; field; repeat split; try apply fact_neq; lra.""",
    ("T.1", "4 lower"): """intros. pose proof (J_lower g (norm_max n 1 x) ltac:(nonneg_norm)) as H1.
  eapply Rle_trans; [|exact H1]. right. rewrite (Nat.add_comm 1 g). pose proof (pos_INR g). pose proof (max_nonneg n 1 x H0 Nat.lt_0_1).
  field. repeat split; try apply fact_neq; lra.""",
    ("T.1", "5 absolute"): f"""intros. entries. replace j with 0%nat in * by lia. unfolded.
  replace (T g (x i 0%nat) + -1 * exp (x i 0%nat)) with (T g (x i 0%nat) - exp (x i 0%nat)) by ring.
  eapply Rle_trans; [apply (absolute_error g (norm_max n 1 x)); {ENTRY}|]. lra.""",
    ("T.2", "1 even"): """intros. tops. unfolded. pose proof (even_positive k (x i j)). lra.""",
    ("T.2", "2 odd, if"): f"""intros. tops. unfolded. assert (0 <= T (1 + 2 * k) (x i j)); [|lra].
  apply (odd_if _ (norm_max n 1 x)); [{ENTRY}|auto].""",
    ("T.2", "3 odd, only if"): """intros. rewrite (Nat.add_comm 1 (2 * k)) in *.
  replace (-1 * norm_max n 1 x) with (- norm_max n 1 x) by ring. apply odd_only_if; auto. nonneg_norm.""",
    ("T.3", "1"): """intros. destruct H1 as [w [W [E [A _]]]]. replace (-1 * L) with (- L) by ring.
  apply (degree_formula b L w); auto.""",
    ("S.1", "1 entrywise"): f"""{WEIGHTS}. tops. unfolded. quotients.
  pose proof (kernel_entrywise n M S _ eta masked near range i j Hi Hj) as K. signs. lra.""",
    ("S.1", "2 largest entry"): f"""{WEIGHTS}. entries. unfold add at 1, scale at 1. quotients. signs.
  apply (kernel_largest n M S _ eta masked near range i j Hi Hj).""",
    ("S.1", "3 row l1"): f"""{WEIGHTS}. apply row_spec; auto. intros i Hi.
  pose proof (kernel_row n M S _ eta masked near range i Hi) as K. signs.
  eapply Rle_trans; [|eapply Rle_trans; [exact K|right; unfold Rdiv; ring]].
  apply sum_le. intros j Hj. unfold add at 1, scale at 1. quotients. signs. lra.""",
    ("S.1", "4 relative"): f"""{WEIGHTS}. tops. unfolded. quotients.
  pose proof (kernel_relative n M S _ eta masked near range i j Hi Hj) as K. signs. lra.""",
    ("S.1", "5 simpler"): """intros. signs. pose proof (eps_simpler eta H ltac:(lra)). unfold Rdiv in *. lra.""",
    ("S.1", "6 rows"): """intros n eta E M S n_pos eta_pos bounded masked most. assert (range : 0 <= eta <= 1) by lra.
  apply (normalised_row n n); auto. apply (perturbed_nonneg n M S _ eta); auto. apply near_by_errors; auto.""",
    ("S.2", "1"): """intros. rewrite !top_column. unfold norm_sum, matmul, transpose, add, scale, times, recip, exponential, ones.
  pose proof (softmax_l1 n (fun k => z k 0%nat) (fun k => w k 0%nat) H) as K. cbv beta in K.
  rewrite (largest_ext n (fun k => w k 0%nat + -1 * z k 0%nat) (fun k => w k 0%nat - z k 0%nat)) by (intros; ring).
  rewrite (largest_ext n (fun k => z k 0%nat + -1 * w k 0%nat) (fun k => z k 0%nat - w k 0%nat)) by (intros; ring).
  eapply Rle_trans; [|eapply Rle_trans; [exact K|right; do 2 f_equal; field]].
  apply sum_le. intros k Hk. simpl sum at 1. rewrite Rplus_0_l. right. f_equal.
  rewrite !(sum_ext n (fun k => exp (_ k 0%nat) * 1) (fun k => exp (_ k 0%nat))) by (intros; ring). unfold Rdiv. ring.""",
    ("S.2", "2"): """intros. rewrite !top_column. destruct (oscillation n z w H) as [O1 O2]. unfold add, scale in *.
  rewrite (largest_ext n (fun k => w k 0%nat + -1 * z k 0%nat) (fun k => w k 0%nat - z k 0%nat)) by (intros; ring).
  rewrite (largest_ext n (fun k => z k 0%nat + -1 * w k 0%nat) (fun k => z k 0%nat - w k 0%nat)) by (intros; ring).
  eapply Rle_trans; [apply Rmult_le_compat_l; [lra|apply tanh_below; lra]|]. lra.""",
    ("S.3", "1 size"): """intros d n i0 G M S V d_pos n_pos i0_range masked. name_weights. eapply Rle_trans; [|right; reflexivity].
  assert (nonneg : forall k, (k < n)%nat -> 0 <= hadamard M (exponential S) i0 k) by (intros; apply kernel_nonneg with n; auto).
  pose proof (size_of_rows n _ (values d G V i0) (norm_sum d 1 (row i0 G) * norm_max n d V) nonneg
    (kernel_total n M S masked i0 i0_range) ltac:(intros; apply values_range; auto) ltac:(apply values_bound_nonneg; auto)) as K.
  eapply Rle_trans; [|exact K]. apply sum_le. intros k Hk. simpl sum. rewrite Rplus_0_l. right. f_equal.
  unfold row, add, scale, hadamard at 1. signs. rewrite centred_entry by auto. apply centred_ext; auto.""",
    ("S.3", "2 error"): """intros d n i0 eta E G M S V d_pos n_pos i0_range eta_pos bounded masked most.
  assert (range : 0 <= eta <= 1) by lra. pose proof (near_by_errors n M S E eta masked bounded range) as near. name_weights.
  assert (nonneg : forall k, (k < n)%nat -> 0 <= hadamard M (exponential S) i0 k) by (intros; apply kernel_nonneg with n; auto).
  pose proof (centred_error n _ _ (values d G V i0) eta (norm_sum d 1 (row i0 G) * norm_max n d V) nonneg
    (kernel_total n M S masked i0 i0_range)
    ltac:(intros; apply values_range; auto) ltac:(apply values_bound_nonneg; auto) (fun k Hk => near i0 k i0_range Hk) range) as K.
  signs. eapply Rle_trans; [|eapply Rle_trans; [exact K|right; unfold Rdiv; ring]].
  apply sum_le. intros k Hk. simpl sum. rewrite Rplus_0_l. right. f_equal.
  unfold row, add at 1, scale at 1. unfold add, scale, hadamard at 1 3. signs. rewrite !centred_entry by auto.
  f_equal; apply centred_ext; auto.""",
    ("S.3", "3 size with an error"): """intros d n i0 eta E G M S V d_pos n_pos i0_range eta_pos bounded masked most.
  assert (range : 0 <= eta <= 1) by lra. pose proof (near_by_errors n M S E eta masked bounded range) as near. name_weights.
  assert (nonneg : forall k, (k < n)%nat -> 0 <= hadamard M (exponential S) i0 k) by (intros; apply kernel_nonneg with n; auto).
  pose proof (centred_size_error n _ _ (values d G V i0) eta (norm_sum d 1 (row i0 G) * norm_max n d V) nonneg
    (kernel_total n M S masked i0 i0_range) ltac:(intros; apply values_range; auto) ltac:(apply values_bound_nonneg; auto)
    (fun k Hk => near i0 k i0_range Hk) range) as K.
  eapply Rle_trans; [|exact K]. apply sum_le. intros k Hk. simpl sum. rewrite Rplus_0_l. right. f_equal.
  unfold row, add at 1, scale, hadamard at 1. signs. rewrite centred_entry by auto. apply centred_ext; auto.""",
    ("S.4", "1 rows"): """intros n D M S n_pos masked. name_weights. apply row_spec; auto. intros i Hi.
  pose proof (moved_row n M S D n_pos masked i Hi) as K. eapply Rle_trans; [|exact K].
  apply sum_le. intros j Hj. unfold add at 1, scale at 1. quotients. signs. lra.""",
    ("S.4", "2 less their mean"): """intros d n i0 D G M S V d_pos n_pos i0_range masked. name_weights.
  pose proof (moved_centred n M S D n_pos masked i0 (values d G V i0) (norm_sum d 1 (row i0 G) * norm_max n d V) i0_range
    ltac:(intros; apply values_range; auto) ltac:(apply values_bound_nonneg; auto)) as K.
  eapply Rle_trans; [|eapply Rle_trans; [exact K|right; ring]].
  apply sum_le. intros k Hk. simpl sum. rewrite Rplus_0_l. right. f_equal.
  unfold row, add at 1, scale at 1. unfold add at 1 2, scale, hadamard at 1 3. signs. rewrite !centred_entry by auto.
  f_equal; apply centred_ext; auto.""",
    ("C.13r", "error"): """intros. set (scores := scale tau (matmul d (matmul d X W) (transpose X))) in *.
  assert (range : 0 <= J g (norm_max n n scores) <= 1) by (split; [apply J_nonneg, max_nonneg; auto|auto]).
  pose proof (near_by_taylor n M scores g ltac:(auto) ltac:(auto)) as near. name_weights. entries.
  unfold add at 1, scale at 1. quotients. signs.
  eapply Rle_trans; [apply (kernel_largest n M scores _ (J g (norm_max n n scores))); auto|]. right. unfold Rdiv. ring.""",
    ("depth.3", "rho^m"): """intros m eps _ pos. induction m as [|m IH]; [rewrite Rmult_0_r, exp_0; simpl; lra|].
  replace (eps * INR (S m)) with (eps + eps * INR m) by (rewrite S_INR; ring). rewrite exp_plus. cbn [pow].
  apply Rmult_le_compat; [lra|apply pow_le; lra|apply exp_ineq1_le|exact IH].""",
    ("depth.5", "rank at most (1 + g)^d"): """intros d g _ _. pose proof (INR_fact_neq_0 g).
  induction d as [|d IH]; [simpl; right; field; auto|]. pose proof (pos_INR g). pose proof (pos_INR d). pose proof (INR_fact_neq_0 d).
  replace (/ INR (fact (S d)) * / INR (fact g) * INR (fact (S d + g)))
    with ((1 + INR g / INR (S d)) * (/ INR (fact d) * / INR (fact g) * INR (fact (d + g)))).
  - cbn [pow]. apply Rmult_le_compat;
      [|repeat apply Rmult_le_pos; try apply pos_INR; left; apply Rinv_0_lt_compat, INR_fact_lt_0| |exact IH]; unfold Rdiv.
    + apply Rplus_le_le_0_compat; [lra|apply Rmult_le_pos; [lra|left; apply Rinv_0_lt_compat, lt_0_INR; lia]].
    + apply Rplus_le_compat_l. rewrite <- (Rmult_1_r (INR g)) at 2. apply Rmult_le_compat_l; [lra|].
      rewrite <- Rinv_1. apply Rinv_le_contravar; rewrite ?S_INR; lra.
  - rewrite Nat.add_succ_l. change (fact (S d)) with (S d * fact d)%nat. change (fact (S (d + g))) with (S (d + g) * fact (d + g))%nat.
    rewrite !mult_INR, !S_INR, plus_INR. field. repeat split; auto; lra.""",
}  # fmt: skip


@dataclass(frozen=True)
class Theorem:
    """A generated theorem: its name, what it is about, and its text."""

    name: str
    about: str
    text: str


def theorem(id: str, claim: Bound) -> Theorem:
    """The theorem of a claim.

    Raises:
        NotTranslated: if the claim has no translation or no script.
    """
    says, script = statement(claim), SCRIPTS.get((id, claim.part))
    if script is None:
        raise NotTranslated("no script")
    name = f"claim_{name_of(id)}__{name_of(claim.part)}"
    text = f"Theorem {name} :\n  {says}.\nProof.\n  {script}\nQed."
    return Theorem(name, f"{id}, part {claim.part}", text)
