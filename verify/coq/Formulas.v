From Coq Require Import Reals Lra Lia Bool Arith.
From Coquelicot Require Import Rcomplements.
From Almostlinear Require Import Sums Norms NormRules Structure Taylor Rows Centred Softmax.
Open Scope R_scope.

(* What generated statements speak of, beside Sums, Norms and Taylor. *)
Definition taylor (g : nat) (A : matrix) : matrix := fun i j => T g (A i j).

(* Entries 0 or 1, ones on the diagonal. *)
Definition mask (n : nat) (M : matrix) : Prop :=
  (forall i j, (i < n)%nat -> (j < n)%nat -> M i j = 0 \/ M i j = 1) /\ (forall i, (i < n)%nat -> M i i = 1).
(* Entries in [-1, 1]. *)
Definition unit_entries (r c : nat) (A : matrix) : Prop := forall i j, (i < r)%nat -> (j < c)%nat -> -1 <= A i j <= 1.

(* g = ceil((b + L)/W((b + L)/(e b))) - 1 with Lambert's W. *)
Definition is_degree (b L : R) (g : nat) : Prop := exists w, 0 < w /\ w * exp w = (b + L) / (exp 1 * b) /\
  (b + L) / w <= INR (g + 1) < (b + L) / w + 1.

(* -- for the proofs of generated statements -- *)
Lemma entry_below : forall r c A i j, (0 < r)%nat -> (0 < c)%nat -> (i < r)%nat -> (j < c)%nat -> Rabs (A i j) <= norm_max r c A.
Proof. intros. apply (proj1 (max_spec r c A _ H H0) (Rle_refl _)); auto. Qed.

(* Rows of A = M * exp(S) under a mask M, and A~ with a relative error eta: f = D^{-1} A and f~ = D~^{-1} A~, entry by entry. *)
Section Kernel.
Variable n : nat.
Variables M S A' : matrix.
Variable eta : R.
Let A := hadamard M (exponential S).
Hypothesis masked : mask n M.
Hypothesis near : forall i k, (i < n)%nat -> (k < n)%nat -> (1 - eta) * A i k <= A' i k <= (1 + eta) * A i k.
Hypothesis eta_range : 0 <= eta <= 1.
Let F i k := A i k / sum n (A i).
Let F' i k := A' i k / sum n (A' i).

Lemma kernel_nonneg : forall i k, (i < n)%nat -> (k < n)%nat -> 0 <= A i k.
Proof.
  intros. unfold A, hadamard, exponential. destruct masked as [B _]. destruct (B i k H H0) as [->| ->]; [lra|].
  pose proof (exp_pos (S i k)). lra.
Qed.
Lemma kernel_total : forall i, (i < n)%nat -> 0 < sum n (A i).
Proof.
  intros. apply Rlt_le_trans with (A i i).
  - unfold A, hadamard, exponential. destruct masked as [_ D]. rewrite D by auto. rewrite Rmult_1_l. apply exp_pos.
  - apply (sum_member n (A i) i); auto. intros. apply kernel_nonneg; auto.
Qed.
Theorem kernel_entrywise : forall i j, (i < n)%nat -> (j < n)%nat ->
  Rabs (F' i j - F i j) * (1 - eta * Rabs (1 - 2 * F i j)) <= 2 * eta * (F i j * (1 - F i j)).
Proof. intros. apply (entrywise n (A i) (A' i) eta); auto using kernel_nonneg, kernel_total. Qed.
Theorem kernel_relative : forall i j, (i < n)%nat -> (j < n)%nat -> Rabs (F' i j - F i j) * (1 - eta) <= 2 * eta * F i j.
Proof. intros. apply (relative n (A i) (A' i) eta); auto using kernel_nonneg, kernel_total. Qed.
Theorem kernel_largest : forall i j, (i < n)%nat -> (j < n)%nat -> Rabs (F' i j - F i j) <= eta / (1 + sqrt (1 - eta ^ 2)).
Proof. intros. apply (largest_entry n (A i) (A' i) eta); auto using kernel_nonneg, kernel_total. Qed.
Theorem kernel_row : forall i, (i < n)%nat -> sum n (fun j => Rabs (F' i j - F i j)) <= 2 * (eta / (1 + sqrt (1 - eta ^ 2))).
Proof. intros. apply (row_l1 n (A i) (A' i) eta); auto using kernel_nonneg, kernel_total. Qed.
End Kernel.

(* A~ = A * (1 + eta E), |E| <= 1. *)
Lemma near_by_errors : forall n M S E eta, mask n M -> unit_entries n n E -> 0 <= eta <= 1 ->
  forall i k, (i < n)%nat -> (k < n)%nat ->
  (1 - eta) * hadamard M (exponential S) i k <= hadamard (hadamard M (exponential S)) (add ones (scale eta E)) i k
    <= (1 + eta) * hadamard M (exponential S) i k.
Proof.
  intros n M S E eta HM HE He i k Hi Hk. pose proof (kernel_nonneg n M S HM i k Hi Hk) as P. destruct (HE i k Hi Hk).
  change (hadamard (hadamard M (exponential S)) (add ones (scale eta E)) i k) with (hadamard M (exponential S) i k * (1 + eta * E i k)).
  rewrite !(Rmult_comm _ (hadamard M (exponential S) i k)). split; apply Rmult_le_compat_l; auto; nra.
Qed.

(* A~ = M * T_g(S), eta = J_g(|S|). *)
Lemma near_by_taylor : forall n M S g, (0 < n)%nat -> mask n M -> forall i k, (i < n)%nat -> (k < n)%nat ->
  (1 - J g (norm_max n n S)) * hadamard M (exponential S) i k <= hadamard M (taylor g S) i k
    <= (1 + J g (norm_max n n S)) * hadamard M (exponential S) i k.
Proof.
  intros n M S g Hn HM i k Hi Hk. set (b := norm_max n n S).
  pose proof (relative_error g b (S i k) (entry_below n n S i k Hn Hn Hi Hk)) as R. apply Rabs_le_between in R.
  unfold hadamard, exponential, taylor. destruct HM as [B _]. pose proof (exp_pos (S i k)) as P.
  assert (E : exp (- S i k) * exp (S i k) = 1) by (rewrite <- exp_plus; replace (- S i k + S i k) with 0 by ring; apply exp_0).
  replace (T g (S i k)) with (T g (S i k) * exp (- S i k) * exp (S i k)) by (rewrite Rmult_assoc, E; ring).
  destruct (B i k Hi Hk) as [->| ->]; [lra|]. rewrite !Rmult_1_l. split; apply Rmult_le_compat_r; lra.
Qed.

Lemma eps_simpler : forall eta, 0 < eta -> eta < 1 -> 2 * (eta / (1 + sqrt (1 - eta ^ 2))) <= eta / (1 - eta).
Proof.
  intros eta H H1. set (c := sqrt (1 - eta ^ 2)). assert (1 - eta <= c).
  { unfold c. rewrite <- (sqrt_square (1 - eta)) at 1 by lra. apply sqrt_le_1_alt. nra. }
  apply Rmult_le_reg_r with ((1 + c) * (1 - eta)); [nra|].
  replace (2 * (eta / (1 + c)) * ((1 + c) * (1 - eta))) with (eta * (2 * (1 - eta))) by (field; lra).
  replace (eta / (1 - eta) * ((1 + c) * (1 - eta))) with (eta * (1 + c)) by (field; lra).
  apply Rmult_le_compat_l; lra.
Qed.

(* Softmax of a column vector as it is written, against finite sums. *)
Lemma top_column : forall n A, norm_top n 1 A = largest n (fun k => A k 0%nat).
Proof. reflexivity. Qed.
Lemma oscillation : forall n (z w : matrix), (0 < n)%nat ->
  let o := largest n (fun k => z k 0%nat - w k 0%nat) + largest n (fun k => w k 0%nat - z k 0%nat) in
  0 <= o <= 2 * norm_max n 1 (add z (scale (-1) w)).
Proof.
  intros n z w Hn o. set (m := norm_max n 1 (add z (scale (-1) w))).
  assert (B : forall k, (k < n)%nat -> Rabs (z k 0%nat - w k 0%nat) <= m).
  { intros. replace (z k 0%nat - w k 0%nat) with (add z (scale (-1) w) k 0%nat) by (unfold add, scale; ring).
    apply entry_below; auto. }
  split.
  - pose proof (largest_ge n (fun k => z k 0%nat - w k 0%nat) 0%nat Hn).
    pose proof (largest_ge n (fun k => w k 0%nat - z k 0%nat) 0%nat Hn). simpl in *. unfold o. lra.
  - assert (largest n (fun k => z k 0%nat - w k 0%nat) <= m).
    { apply largest_le; auto. intros. eapply Rle_trans; [apply Rle_abs|auto]. }
    assert (largest n (fun k => w k 0%nat - z k 0%nat) <= m).
    { apply largest_le; auto. intros. eapply Rle_trans; [apply Rle_abs|]. rewrite Rabs_minus_sym. auto. }
    unfold o. lra.
Qed.

(* Rows of F * (G V^T) - diag(K) F with K = (G * F V) 1. *)
Definition values (d : nat) (G V : matrix) (i k : nat) : R := sum d (fun c => G i c * V k c).
Lemma centred_entry : forall n d (F G V : matrix) i k, (i < n)%nat ->
  F i k * matmul d G (transpose V) i k - matmul n (diag (matmul d (hadamard G (matmul n F V)) ones)) F i k =
  centred n (F i) (values d G V i) k.
Proof.
  intros. rewrite diag_product by auto. unfold centred, values, mean, matmul, hadamard, transpose, ones. do 2 f_equal.
  rewrite (sum_ext d _ (fun c => sum n (fun k => F i k * (G i c * V k c)))).
  - rewrite sum_swap. apply sum_ext. intros. apply sum_scale.
  - intros. rewrite Rmult_1_r, <- sum_scale. apply sum_ext. intros. ring.
Qed.
Lemma values_range : forall n d (G V : matrix) i k, (0 < n)%nat -> (0 < d)%nat -> (k < n)%nat ->
  Rabs (values d G V i k) <= norm_sum d 1 (row i G) * norm_max n d V.
Proof.
  intros. unfold values, norm_sum, row. eapply Rle_trans; [apply sum_abs|]. rewrite Rmult_comm, <- sum_scale.
  apply sum_le. intros c Hc. simpl sum. rewrite Rplus_0_l, Rabs_mult, Rmult_comm. apply Rmult_le_compat_r; [apply Rabs_pos|].
  apply entry_below; auto.
Qed.
Lemma values_bound_nonneg : forall n d (G V : matrix) i, (0 < n)%nat -> (0 < d)%nat -> 0 <= norm_sum d 1 (row i G) * norm_max n d V.
Proof. intros. apply Rmult_le_pos; [apply norm_sum_nonneg|apply max_nonneg; auto]. Qed.

(* The kernel M * exp(S + D): entries change by factors between e^{-|D|} and e^{|D|}, that is C (1 + eta e), |e| <= 1. *)
Section Moved.
Variable n : nat.
Variables M S D : matrix.
Hypothesis n_pos : (0 < n)%nat.
Hypothesis masked : mask n M.
Let delta := norm_max n n D.
Let r := exp (delta / 2).
Let eta := (r ^ 4 - 1) / (r ^ 4 + 1).
Let C := (exp delta + exp (- delta)) / 2.
Let A := hadamard M (exponential S).
Let A' := hadamard M (exponential (add S D)).

Lemma delta_nonneg : 0 <= delta.
Proof. apply max_nonneg; auto. Qed.
Lemma r_least : 1 <= r.
Proof. pose proof delta_nonneg. unfold r. rewrite <- exp_0. apply exp_quotient. lra. Qed.
Lemma r_fourth : exp delta = r ^ 4 * exp (- delta).
Proof. unfold r. simpl. rewrite Rmult_1_r, <- !exp_plus. f_equal. field. Qed.
Lemma C_pos : 0 < C.
Proof. unfold C. pose proof (exp_pos delta). pose proof (exp_pos (- delta)). lra. Qed.
Lemma moved_range : 0 <= eta <= 1.
Proof.
  pose proof (pow_R1_Rle r 4 r_least). unfold eta. split; [apply Rmult_le_pos; [lra|left; apply Rinv_0_lt_compat; lra]|].
  apply Rmult_le_reg_r with (r ^ 4 + 1); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra.
Qed.
Lemma lower_factor : 1 - eta = / C * exp (- delta).
Proof.
  pose proof (pow_R1_Rle r 4 r_least). unfold eta, C. rewrite r_fourth. pose proof (exp_pos (- delta)). field.
  split; [nra|lra].
Qed.
Lemma upper_factor : 1 + eta = / C * exp delta.
Proof.
  pose proof (pow_R1_Rle r 4 r_least). unfold eta, C. rewrite r_fourth. pose proof (exp_pos (- delta)). field.
  split; [nra|lra].
Qed.
Lemma moved_near : forall i k, (i < n)%nat -> (k < n)%nat -> (1 - eta) * A i k <= / C * A' i k <= (1 + eta) * A i k.
Proof.
  intros i k Hi Hk. rewrite lower_factor, upper_factor. pose proof C_pos. assert (0 <= / C) by (left; apply Rinv_0_lt_compat; auto).
  pose proof (entry_below n n D i k n_pos n_pos Hi Hk) as B. fold delta in B. apply Rabs_le_between in B.
  unfold A, A', hadamard, exponential, add. rewrite exp_plus. pose proof (exp_pos (S i k)).
  destruct masked as [Z _]. destruct (Z i k Hi Hk) as [->| ->]; [lra|]. rewrite !Rmult_1_l, !Rmult_assoc.
  split; apply Rmult_le_compat_l; auto; rewrite (Rmult_comm (exp (S i k))); apply Rmult_le_compat_r; try lra; apply exp_quotient; lra.
Qed.
Lemma moved_rate : 2 * (eta / (1 + sqrt (1 - eta ^ 2))) <= delta.
Proof.
  unfold eta. rewrite half_angle by apply r_least. pose proof (tanh_below (delta / 2) ltac:(pose proof delta_nonneg; lra)) as K.
  rewrite tanh_exp in K. fold r in K. lra.
Qed.
Lemma moved_quotient : forall i k, (i < n)%nat -> A' i k / sum n (A' i) = (/ C * A' i k) / sum n (fun j => / C * A' i j).
Proof.
  intros i k Hi. pose proof C_pos. assert (T : 0 < sum n (A' i)) by (apply (kernel_total n M (add S D) masked i); auto).
  rewrite sum_scale. field. split; lra.
Qed.
Theorem moved_row : forall i, (i < n)%nat -> sum n (fun k => Rabs (A' i k / sum n (A' i) - A i k / sum n (A i))) <= delta.
Proof.
  intros i Hi. pose proof (row_l1 n (A i) (fun k => / C * A' i k) eta) as K. cbv beta in K.
  eapply Rle_trans; [|eapply Rle_trans; [apply K|apply moved_rate]].
  - apply sum_le. intros k Hk. rewrite moved_quotient by auto. lra.
  - intros. apply (kernel_nonneg n M S); auto.
  - intros. apply moved_near; auto.
  - apply moved_range.
  - apply (kernel_total n M S masked); auto.
Qed.
Theorem moved_centred : forall i q (m : R), (i < n)%nat -> (forall k, (k < n)%nat -> Rabs (q k) <= m) -> 0 <= m ->
  sum n (fun k => Rabs (centred n (fun k => A' i k / sum n (A' i)) q k - centred n (fun k => A i k / sum n (A i)) q k)) <= delta * m.
Proof.
  intros i q m Hi Q P. pose proof (centred_error n (A i) (fun k => / C * A' i k) q eta m) as K. cbv beta in K.
  eapply Rle_trans; [|eapply Rle_trans; [apply K; auto|apply Rmult_le_compat_r; [auto|apply moved_rate]]].
  - apply sum_le. intros k Hk. right. do 2 f_equal. apply centred_ext; auto. intros. apply moved_quotient; auto.
  - intros. apply (kernel_nonneg n M S); auto.
  - apply (kernel_total n M S masked); auto.
  - intros. apply moved_near; auto.
  - apply moved_range.
Qed.
End Moved.
(* No entry of A~ is negative, so its rows are of l1 norm at most 1, where it is 0 too. *)
Lemma perturbed_nonneg : forall n M S A' eta, mask n M -> 0 <= eta <= 1 ->
  (forall i k, (i < n)%nat -> (k < n)%nat -> (1 - eta) * hadamard M (exponential S) i k <= A' i k <= (1 + eta) * hadamard M (exponential S) i k) ->
  forall i k, (i < n)%nat -> (k < n)%nat -> 0 <= A' i k.
Proof.
  intros n M S A' eta masked range near i k Hi Hk. eapply Rle_trans; [|apply near; auto]. apply Rmult_le_pos; [lra|].
  apply (kernel_nonneg n M S); auto.
Qed.
