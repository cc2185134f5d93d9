From Coq Require Import Reals Lra Lia Bool Arith Psatz.
From Almostlinear Require Import Sums.
Open Scope R_scope.

(* Weights a_k >= 0 of a row, a~_k between (1 - eta) a_k and (1 + eta) a_k; f = a/sum a and f~ = a~/sum a~. *)

(* The sums over a part of the row and over the rest: A, A' = A~ and B, B' = B~. *)
Section Part.
Variables A B A' B' eta : R.
Hypothesis A_pos : 0 <= A.
Hypothesis B_pos : 0 <= B.
Hypothesis AB_pos : 0 < A + B.
Hypothesis AB'_pos : 0 < A' + B'.
Hypothesis eta_range : 0 <= eta <= 1.
Hypothesis A_near : (1 - eta) * A <= A' <= (1 + eta) * A.
Hypothesis B_near : (1 - eta) * B <= B' <= (1 + eta) * B.
Let F := A / (A + B).
Let F' := A' / (A' + B').
Let cross := A' * B - A * B'.

Lemma gap : F' - F = cross / ((A + B) * (A' + B')).
Proof. unfold F, F', cross. field. lra. Qed.
Lemma places_pos : 0 < (A + B) * (A' + B').
Proof. apply Rmult_lt_0_compat; auto. Qed.
Lemma A'_pos : 0 <= A'.
Proof. assert (0 <= (1 - eta) * A) by (apply Rmult_le_pos; lra). lra. Qed.
Lemma B'_pos : 0 <= B'.
Proof. assert (0 <= (1 - eta) * B) by (apply Rmult_le_pos; lra). lra. Qed.

Lemma abs_gap : Rabs (F' - F) * ((A + B) * (A' + B')) = Rabs cross.
Proof.
  rewrite gap. unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ _)) by (left; apply Rinv_0_lt_compat, places_pos).
  rewrite Rmult_assoc, Rinv_l by (apply Rgt_not_eq, places_pos). ring.
Qed.

(* |A'B - AB'| (A + B - eta |A - B|) <= 2 eta A B (A' + B'). *)
Lemma cross_bound : Rabs cross * ((A + B) - eta * Rabs (A - B)) <= 2 * eta * (A * B) * (A' + B').
Proof.
  set (p := (1 + eta) * A - A'). set (p' := A' - (1 - eta) * A). set (q := (1 + eta) * B - B'). set (q' := B' - (1 - eta) * B).
  assert (0 <= p) by (unfold p; lra). assert (0 <= p') by (unfold p'; lra).
  assert (0 <= q) by (unfold q; lra). assert (0 <= q') by (unfold q'; lra).
  assert (U : cross * ((A + B) - eta * (B - A)) <= 2 * eta * (A * B) * (A' + B')).
  { assert (0 <= p * B * B * (1 - eta) + q' * A * A * (1 + eta) + (p * A * B * (1 - eta) + q' * A * B * (1 + eta))) by
      (repeat apply Rplus_le_le_0_compat; repeat apply Rmult_le_pos; lra).
    unfold p, q', cross in *. nra. }
  assert (V : - cross * ((A + B) - eta * (A - B)) <= 2 * eta * (A * B) * (A' + B')).
  { assert (0 <= q * A * A * (1 - eta) + p' * B * B * (1 + eta) + (q * A * B * (1 - eta) + p' * A * B * (1 + eta))) by
      (repeat apply Rplus_le_le_0_compat; repeat apply Rmult_le_pos; lra).
    unfold q, p', cross in *. nra. }
  assert (S1 : eta * (B - A) <= eta * Rabs (A - B)) by (apply Rmult_le_compat_l; [lra|]; rewrite Rabs_minus_sym; apply Rle_abs).
  assert (S2 : eta * (A - B) <= eta * Rabs (A - B)) by (apply Rmult_le_compat_l; [lra|]; apply Rle_abs).
  unfold Rabs at 1. destruct (Rcase_abs cross).
  - eapply Rle_trans; [|exact V]. apply Rmult_le_compat_l; lra.
  - eapply Rle_trans; [|exact U]. apply Rmult_le_compat_l; lra.
Qed.

Lemma part_entrywise : Rabs (F' - F) * (1 - eta * Rabs (1 - 2 * F)) <= 2 * eta * (F * (1 - F)).
Proof.
  apply Rmult_le_reg_r with ((A + B) * (A + B) * (A' + B')); [apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat|]; auto|].
  replace (1 - 2 * F) with ((B - A) * / (A + B)) by (unfold F; field; lra).
  rewrite Rabs_mult, (Rabs_pos_eq (/ (A + B))) by (left; apply Rinv_0_lt_compat; auto).
  replace (Rabs (F' - F) * (1 - eta * (Rabs (B - A) * / (A + B))) * ((A + B) * (A + B) * (A' + B'))) with
    (Rabs (F' - F) * ((A + B) * (A' + B')) * ((A + B) - eta * Rabs (B - A))) by (field; lra).
  rewrite abs_gap, (Rabs_minus_sym B A). eapply Rle_trans; [apply cross_bound|].
  right. unfold F. field. lra.
Qed.

Lemma part_relative : Rabs (F' - F) * (1 - eta) <= 2 * eta * F.
Proof.
  apply Rmult_le_reg_r with ((A + B) * (A + B) * (A' + B')); [apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat|]; auto|].
  replace (Rabs (F' - F) * (1 - eta) * ((A + B) * (A + B) * (A' + B'))) with
    (Rabs (F' - F) * ((A + B) * (A' + B')) * ((1 - eta) * (A + B))) by ring.
  rewrite abs_gap. replace (2 * eta * F * ((A + B) * (A + B) * (A' + B'))) with (2 * eta * (A * (A + B)) * (A' + B')) by (unfold F; field; lra).
  apply Rle_trans with (Rabs cross * ((A + B) - eta * Rabs (A - B))).
  - apply Rmult_le_compat_l; [apply Rabs_pos|].
    assert (Rabs (A - B) <= A + B) by (apply Rabs_le; lra).
    assert (eta * Rabs (A - B) <= eta * (A + B)) by (apply Rmult_le_compat_l; lra). lra.
  - eapply Rle_trans; [apply cross_bound|]. apply Rmult_le_compat_r; [lra|]. apply Rmult_le_compat_l; [lra|].
    apply Rmult_le_compat_l; lra.
Qed.

Lemma part_largest : Rabs (F' - F) <= eta / (1 + sqrt (1 - eta ^ 2)).
Proof.
  set (c := sqrt (1 - eta ^ 2)). assert (C0 : 0 <= c) by apply sqrt_pos.
  assert (C2 : c * c = 1 - eta ^ 2) by (apply sqrt_sqrt; nra).
  apply Rmult_le_reg_r with ((1 + c) * ((A + B) * (A' + B'))); [apply Rmult_lt_0_compat; [lra|apply places_pos]|].
  replace (Rabs (F' - F) * ((1 + c) * ((A + B) * (A' + B')))) with (Rabs (F' - F) * ((A + B) * (A' + B')) * (1 + c)) by ring.
  rewrite abs_gap. replace (eta / (1 + c) * ((1 + c) * ((A + B) * (A' + B')))) with (eta * (A + B) * (A' + B')) by (field; lra).
  set (s := A + B) in *. set (D := Rabs (A - B)).
  assert (D0 : 0 <= D) by apply Rabs_pos.
  assert (DD : D * D = s * s - 4 * (A * B)) by (unfold D; rewrite <- Rabs_mult, Rabs_pos_eq; [unfold s; ring|apply Rle_0_sqr]).
  assert (Ds : D <= s) by (unfold D, s; apply Rabs_le; lra).
  assert (room : 2 * (A * B) * (1 + c) <= s * (s - eta * D)).
  { assert (0 <= (eta * s - (1 + c) * D) ^ 2) by apply pow2_ge_0.
    assert (E : (eta * s - (1 + c) * D) ^ 2 = (1 + c) * ((1 - c) * (s * s) - 2 * eta * (s * D) + (1 + c) * (D * D))).
    { replace ((eta * s - (1 + c) * D) ^ 2) with
        (eta ^ 2 * (s * s) - (1 + c) * (2 * eta * (s * D)) + (1 + c) * ((1 + c) * (D * D))) by ring.
      replace (eta ^ 2) with (1 - c * c) by lra. ring. }
    rewrite E in H. assert (0 <= (1 - c) * (s * s) - 2 * eta * (s * D) + (1 + c) * (D * D)).
    { apply Rmult_le_reg_l with (1 + c); lra. }
    rewrite DD in H0. lra. }
  pose proof cross_bound as K. fold s D in K.
  destruct (Req_dec (s - eta * D) 0) as [Z|Z].
  - assert (eta * D <= 1 * D) by (apply Rmult_le_compat_r; lra). assert (D = s) by lra.
    assert (A * B = 0) by nra. rewrite H0 in *.
    assert (eta = 1) by (apply Rmult_eq_reg_r with s; lra).
    assert (cross = 0).
    { unfold cross. apply Rmult_integral in H1. destruct H1 as [Z1|Z1]; rewrite Z1 in *; [assert (A' = 0) by lra|assert (B' = 0) by lra];
      rewrite H1; ring. }
    rewrite H3, Rabs_R0. pose proof AB'_pos. apply Rle_trans with 0; [lra|].
    repeat apply Rmult_le_pos; lra.
  - assert (P : 0 < s - eta * D). { assert (eta * D <= 1 * D) by (apply Rmult_le_compat_r; lra). lra. }
    apply Rmult_le_reg_r with (s - eta * D); [auto|].
    replace (Rabs cross * (1 + c) * (s - eta * D)) with (Rabs cross * (s - eta * D) * (1 + c)) by ring.
    apply Rle_trans with (2 * eta * (A * B) * (A' + B') * (1 + c)); [apply Rmult_le_compat_r; lra|].
    replace (2 * eta * (A * B) * (A' + B') * (1 + c)) with (eta * (A' + B') * (2 * (A * B) * (1 + c))) by ring.
    replace (eta * s * (A' + B') * (s - eta * D)) with (eta * (A' + B') * (s * (s - eta * D))) by ring.
    apply Rmult_le_compat_l; [apply Rmult_le_pos; lra|auto].
Qed.
End Part.

(* -- a whole row -- *)
Definition over (P : nat -> bool) (f : nat -> R) : nat -> R := fun k => if P k then f k else 0.
Lemma split_sum : forall n P f, sum n f = sum n (over P f) + sum n (over (fun k => negb (P k)) f).
Proof. intros. rewrite <- sum_plus. apply sum_ext; intros. unfold over. destruct (P k); simpl; ring. Qed.
Lemma over_single : forall n f j, (j < n)%nat -> sum n (over (Nat.eqb j) f) = f j.
Proof.
  intros. rewrite (sum_single n _ j); auto; unfold over.
  - rewrite Nat.eqb_refl. reflexivity.
  - intros. rewrite (proj2 (Nat.eqb_neq j k)); auto.
Qed.

Section Row.
Variable n : nat.
Variables a a' : nat -> R.
Variable eta : R.
Hypothesis a_pos : forall k, (k < n)%nat -> 0 <= a k.
Hypothesis near : forall k, (k < n)%nat -> (1 - eta) * a k <= a' k <= (1 + eta) * a k.
Hypothesis eta_range : 0 <= eta <= 1.
Hypothesis total_pos : 0 < sum n a.
Let f k := a k / sum n a.
Let f' k := a' k / sum n a'.

Lemma a'_nonneg : forall k, (k < n)%nat -> 0 <= a' k.
Proof. intros. specialize (near k H). assert (0 <= (1 - eta) * a k) by (apply Rmult_le_pos; [lra|auto]). lra. Qed.
Lemma total'_cases : 0 < sum n a' \/ (eta = 1 /\ forall k, (k < n)%nat -> a' k = 0).
Proof.
  destruct (Rle_lt_or_eq_dec 0 (sum n a')) as [P|Z]; [apply sum_nonneg; intros; apply a'_nonneg; auto|left; auto|right].
  assert (E : forall k, (k < n)%nat -> a' k = 0).
  { intros k Hk. pose proof (sum_member n a' k a'_nonneg Hk). pose proof (a'_nonneg k Hk). lra. }
  split; [|exact E]. assert ((1 - eta) * sum n a <= sum n a').
  { rewrite <- sum_scale. apply sum_le; intros. apply near; auto. }
  destruct (Req_dec eta 1); [auto|]. assert (0 < (1 - eta) * sum n a) by (apply Rmult_lt_0_compat; lra). lra.
Qed.
Lemma over_near : forall P, (1 - eta) * sum n (over P a) <= sum n (over P a') <= (1 + eta) * sum n (over P a).
Proof.
  intros. rewrite <- !sum_scale. split; apply sum_le; intros; unfold over; destruct (P k); try lra; apply near; auto.
Qed.
Lemma over_nonneg : forall P, 0 <= sum n (over P a).
Proof. intros. apply sum_nonneg; intros; unfold over; destruct (P k); [auto|lra]. Qed.
Lemma f_range : forall k, (k < n)%nat -> 0 <= f k <= 1.
Proof.
  intros k Hk. unfold f. split.
  - apply Rmult_le_pos; [auto|left; apply Rinv_0_lt_compat; auto].
  - apply Rmult_le_reg_r with (sum n a); auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r, Rmult_1_l by lra.
    apply sum_member; auto.
Qed.
Lemma degenerate : (forall k, (k < n)%nat -> a' k = 0) -> forall k, (k < n)%nat -> f' k = 0.
Proof. intros. unfold f'. rewrite H by auto. unfold Rdiv. ring. Qed.

Section Subset.
Variable P : nat -> bool.
Hypothesis positive : 0 < sum n a'.
Let not_P k := negb (P k).
Lemma subset_largest : Rabs (sum n (over P a') / sum n a' - sum n (over P a) / sum n a) <= eta / (1 + sqrt (1 - eta ^ 2)).
Proof.
  rewrite (split_sum n P a'), (split_sum n P a).
  apply part_largest; try apply over_nonneg; auto; try apply over_near; rewrite <- split_sum; auto.
Qed.
Lemma subset_entrywise : let F := sum n (over P a) / sum n a in let F' := sum n (over P a') / sum n a' in
  Rabs (F' - F) * (1 - eta * Rabs (1 - 2 * F)) <= 2 * eta * (F * (1 - F)).
Proof.
  intros F F'. unfold F, F'. rewrite (split_sum n P a'), (split_sum n P a).
  apply part_entrywise; try apply over_nonneg; auto; try apply over_near; rewrite <- split_sum; auto.
Qed.
Lemma subset_relative : let F := sum n (over P a) / sum n a in let F' := sum n (over P a') / sum n a' in
  Rabs (F' - F) * (1 - eta) <= 2 * eta * F.
Proof.
  intros F F'. unfold F, F'. rewrite (split_sum n P a'), (split_sum n P a).
  apply part_relative; try apply over_nonneg; auto; try apply over_near; rewrite <- split_sum; auto.
Qed.
End Subset.

Theorem entrywise : forall j, (j < n)%nat -> Rabs (f' j - f j) * (1 - eta * Rabs (1 - 2 * f j)) <= 2 * eta * (f j * (1 - f j)).
Proof.
  intros j Hj. destruct total'_cases as [P|[E Z]].
  - pose proof (subset_entrywise (Nat.eqb j) P) as H. cbv zeta in H. rewrite !over_single in H by auto. exact H.
  - rewrite degenerate by auto. destruct (f_range j Hj). rewrite E, Rminus_0_l, Rabs_Ropp, (Rabs_pos_eq (f j)) by auto.
    assert (2 * f j - 1 <= Rabs (1 - 2 * f j)) by (rewrite Rabs_minus_sym; apply Rle_abs).
    rewrite !Rmult_1_l, Rmult_1_r. replace (2 * (f j * (1 - f j))) with (f j * (1 - (2 * f j - 1))) by ring.
    apply Rmult_le_compat_l; lra.
Qed.

Theorem relative : forall j, (j < n)%nat -> Rabs (f' j - f j) * (1 - eta) <= 2 * eta * f j.
Proof.
  intros j Hj. destruct total'_cases as [P|[E Z]].
  - pose proof (subset_relative (Nat.eqb j) P) as H. cbv zeta in H. rewrite !over_single in H by auto. exact H.
  - rewrite E. destruct (f_range j Hj). lra.
Qed.

Theorem largest_entry : forall j, (j < n)%nat -> Rabs (f' j - f j) <= eta / (1 + sqrt (1 - eta ^ 2)).
Proof.
  intros j Hj. destruct total'_cases as [P|[E Z]].
  - pose proof (subset_largest (Nat.eqb j) P) as H. rewrite !over_single in H by auto. exact H.
  - rewrite degenerate by auto. destruct (f_range j Hj). rewrite E, Rminus_0_l, Rabs_Ropp, (Rabs_pos_eq (f j)) by auto.
    replace (1 - 1 ^ 2) with 0 by ring. rewrite sqrt_0. lra.
Qed.

Lemma f_total : sum n f = 1.
Proof. unfold f. rewrite (sum_ext n _ (fun k => / sum n a * a k)) by (intros; unfold Rdiv; ring). rewrite sum_scale. apply Rinv_l. lra. Qed.

Theorem row_l1 : sum n (fun k => Rabs (f' k - f k)) <= 2 * (eta / (1 + sqrt (1 - eta ^ 2))).
Proof.
  destruct total'_cases as [P|[E Z]].
  - set (above := fun k => if Rlt_dec (f k) (f' k) then true else false).
    assert (T' : sum n f' = 1).
    { unfold f'. rewrite (sum_ext n _ (fun k => / sum n a' * a' k)) by (intros; unfold Rdiv; ring). rewrite sum_scale. apply Rinv_l. lra. }
    assert (H : sum n (fun k => Rabs (f' k - f k)) = 2 * sum n (over above (fun k => f' k - f k))).
    { assert (Z : sum n (fun k => f' k - f k) = 0).
      { rewrite (sum_ext n _ (fun k => f' k + -1 * f k)) by (intros; ring). rewrite sum_plus, sum_scale, f_total, T'. ring. }
      rewrite (split_sum n above (fun k => f' k - f k)) in Z.
      assert (sum n (fun k => Rabs (f' k - f k)) =
        sum n (over above (fun k => f' k - f k)) + -1 * sum n (over (fun k => negb (above k)) (fun k => f' k - f k))).
      { rewrite <- sum_scale, <- sum_plus. apply sum_ext; intros. unfold over, above. destruct (Rlt_dec (f k) (f' k)); simpl.
        - rewrite Rabs_pos_eq; lra. - rewrite Rabs_left1; lra. }
      lra. }
    rewrite H. apply Rmult_le_compat_l; [lra|]. eapply Rle_trans; [|apply (subset_largest above P)].
    eapply Rle_trans; [|apply Rle_abs]. right.
    unfold Rdiv. rewrite (Rmult_comm (sum n (over above a'))), (Rmult_comm (sum n (over above a))). unfold Rminus. rewrite <- Ropp_mult_distr_l_reverse, <- !sum_scale, <- sum_plus.
    apply sum_ext; intros. unfold over, f', f. destruct (above k); unfold Rdiv; ring.
  - rewrite (sum_ext n _ f).
    + rewrite f_total, E. replace (1 - 1 ^ 2) with 0 by ring. rewrite sqrt_0. lra.
    + intros k Hk. rewrite degenerate by auto. rewrite Rminus_0_l, Rabs_Ropp. apply Rabs_pos_eq. apply f_range; auto.
Qed.
End Row.
