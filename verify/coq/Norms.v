From Coq Require Import Reals Lra Lia Bool Arith.
From Almostlinear Require Import Sums.
Open Scope R_scope.

(* Matrices are functions of a row and a column, counted from 0; sizes stand with the operations that need them. *)
Definition matrix := nat -> nat -> R.

Definition norm_max (r c : nat) (A : matrix) : R := largest r (fun i => largest c (fun j => Rabs (A i j))).
Definition norm_row (r c : nat) (A : matrix) : R := largest r (fun i => sum c (fun j => Rabs (A i j))).
Definition norm_col (r c : nat) (A : matrix) : R := largest c (fun j => sum r (fun i => Rabs (A i j))).
Definition norm_sum (r c : nat) (A : matrix) : R := sum r (fun i => sum c (fun j => Rabs (A i j))).
Definition norm_top (r c : nat) (A : matrix) : R := largest r (fun i => largest c (fun j => A i j)).

Definition define (A : matrix) : matrix := A.
Definition add (A B : matrix) : matrix := fun i j => A i j + B i j.
Definition scale (c : R) (A : matrix) : matrix := fun i j => c * A i j.
Definition times (A B : matrix) : matrix := fun i j => A 0%nat 0%nat * B i j.
Definition hadamard (A B : matrix) : matrix := fun i j => A i j * B i j.
Definition matmul (q : nat) (A B : matrix) : matrix := fun i j => sum q (fun k => A i k * B k j).
Definition transpose (A : matrix) : matrix := fun i j => A j i.
Definition absolute (A : matrix) : matrix := fun i j => Rabs (A i j).
Definition diag (v : matrix) : matrix := fun i j => if Nat.eqb i j then v i 0%nat else 0.
Definition row (k : nat) (A : matrix) : matrix := fun i _ => A k i.
Definition col (k : nat) (A : matrix) : matrix := fun i _ => A i k.
Definition entry (k l : nat) (A : matrix) : matrix := fun _ _ => A k l.
Definition block (k height : nat) (A : matrix) : matrix := fun i j => A (k * height + i)%nat j.
(* The second factor has p rows and q columns; the index of a pair is (major, minor). *)
Definition kron (p q : nat) (A B : matrix) : matrix :=
  fun i j => A (i / p)%nat (j / q)%nat * B (i mod p)%nat (j mod q)%nat.
(* Entry (i, l1 + l2 q) with q the columns of the first factor. *)
Definition rowkron (q : nat) (A B : matrix) : matrix := fun i j => A i (j mod q)%nat * B i (j / q)%nat.
Definition ones : matrix := fun _ _ => 1.
Definition eye : matrix := fun i j => if Nat.eqb i j then 1 else 0.
Definition unit (k : nat) : matrix := fun i _ => if Nat.eqb i k then 1 else 0.
Definition exponential (A : matrix) : matrix := fun i j => exp (A i j).
Definition recip (A : matrix) : matrix := fun i j => / A i j.

(* -- what a bound on a norm says of entries -- *)
Lemma max_spec : forall r c A x, (0 < r)%nat -> (0 < c)%nat ->
  (norm_max r c A <= x <-> forall i j, (i < r)%nat -> (j < c)%nat -> Rabs (A i j) <= x).
Proof.
  intros r c A x Hr Hc; split; [intros H i j Hi Hj | intros H].
  - eapply Rle_trans; [|exact H]. unfold norm_max.
    eapply Rle_trans; [|apply (largest_ge r (fun i => largest c (fun j => Rabs (A i j))) i Hi)].
    apply (largest_ge c (fun j => Rabs (A i j)) j Hj).
  - apply largest_le; [auto|]; intros. apply largest_le; auto.
Qed.

Lemma top_spec : forall r c A x, (0 < r)%nat -> (0 < c)%nat ->
  (norm_top r c A <= x <-> forall i j, (i < r)%nat -> (j < c)%nat -> A i j <= x).
Proof.
  intros r c A x Hr Hc; split; [intros H i j Hi Hj | intros H].
  - eapply Rle_trans; [|exact H]. unfold norm_top.
    eapply Rle_trans; [|apply (largest_ge r (fun i => largest c (fun j => A i j)) i Hi)].
    apply (largest_ge c (fun j => A i j) j Hj).
  - apply largest_le; [auto|]; intros. apply largest_le; auto.
Qed.

Lemma row_spec : forall r c A x, (0 < r)%nat ->
  (norm_row r c A <= x <-> forall i, (i < r)%nat -> sum c (fun j => Rabs (A i j)) <= x).
Proof.
  intros r c A x Hr; split; [intros H i Hi | intros H].
  - eapply Rle_trans; [|exact H]. apply (largest_ge r (fun i => sum c (fun j => Rabs (A i j))) i Hi).
  - apply largest_le; auto.
Qed.

Lemma col_is_row : forall r c A, norm_col r c A = norm_row c r (transpose A).
Proof. reflexivity. Qed.

Lemma sum_transpose : forall r c A, norm_sum r c A = norm_sum c r (transpose A).
Proof. intros; unfold norm_sum, transpose. apply sum_swap. Qed.

Lemma sum_one_row : forall r c A i, (i < r)%nat -> sum c (fun j => Rabs (A i j)) <= norm_sum r c A.
Proof.
  intros. apply (sum_member r (fun i => sum c (fun j => Rabs (A i j))) i); auto.
  intros; apply sum_nonneg; intros; apply Rabs_pos.
Qed.

Lemma max_nonneg : forall r c A, (0 < r)%nat -> (0 < c)%nat -> 0 <= norm_max r c A.
Proof.
  intros. eapply Rle_trans; [apply (Rabs_pos (A 0%nat 0%nat))|].
  apply (proj1 (max_spec r c A _ H H0) (Rle_refl _)); auto.
Qed.
Lemma sum_abs_nonneg : forall c f, 0 <= sum c (fun j => Rabs (f j)).
Proof. intros; apply sum_nonneg; intros; apply Rabs_pos. Qed.
Lemma row_nonneg : forall r c A, (0 < r)%nat -> 0 <= norm_row r c A.
Proof.
  intros. eapply Rle_trans; [apply (sum_abs_nonneg c (A 0%nat))|].
  apply (proj1 (row_spec r c A _ H) (Rle_refl _)); auto.
Qed.
Lemma norm_sum_nonneg : forall r c A, 0 <= norm_sum r c A.
Proof. intros; apply sum_nonneg; intros; apply sum_abs_nonneg. Qed.

Ltac by_entries := apply max_spec; auto; let i := fresh "i" in let j := fresh "j" in intros i j ? ?.
Ltac by_rows := apply row_spec; auto; let i := fresh "i" in intros i ?.

(* -- products -- *)
Lemma product_entry : forall q (A B : matrix) i j x, (forall k, (k < q)%nat -> Rabs (B k j) <= x) ->
  Rabs (matmul q A B i j) <= sum q (fun k => Rabs (A i k)) * x.
Proof.
  intros. unfold matmul. eapply Rle_trans; [apply sum_abs|].
  rewrite Rmult_comm, <- sum_scale. apply sum_le. intros k Hk. rewrite Rabs_mult, Rmult_comm.
  apply Rmult_le_compat_r; [apply Rabs_pos|auto].
Qed.

Lemma product_row : forall q c (A B : matrix) i x, (forall k, (k < q)%nat -> sum c (fun j => Rabs (B k j)) <= x) ->
  sum c (fun j => Rabs (matmul q A B i j)) <= sum q (fun k => Rabs (A i k)) * x.
Proof.
  intros. eapply Rle_trans.
  - apply sum_le. intros j Hj. unfold matmul. apply sum_abs.
  - rewrite sum_swap, Rmult_comm, <- sum_scale. apply sum_le. intros k Hk.
    rewrite (sum_ext c _ (fun j => Rabs (A i k) * Rabs (B k j))) by (intros; apply Rabs_mult).
    rewrite sum_scale, (Rmult_comm x). apply Rmult_le_compat_l; [apply Rabs_pos|auto].
Qed.

Section Rules.
Variables r c q : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis c_pos : (0 < c)%nat.
Hypothesis q_pos : (0 < q)%nat.
Variables A B : matrix.
Variables x y : R.

Lemma matmul_row_max : norm_row r q A <= x -> norm_max q c B <= y -> norm_max r c (matmul q A B) <= x * y.
Proof.
  intros HA HB. assert (0 <= y) by (eapply Rle_trans; [|exact HB]; apply max_nonneg; auto).
  by_entries. eapply Rle_trans.
  - apply product_entry. intros k Hk. apply (proj1 (max_spec q c B y q_pos c_pos) HB); auto.
  - apply Rmult_le_compat_r; [auto|]. apply (proj1 (row_spec r q A x r_pos) HA); auto.
Qed.

Lemma row_le_columns_max : forall k (C : matrix) z, (0 < k)%nat -> norm_max r k C <= z -> norm_row r k C <= INR k * z.
Proof.
  intros k C z Hk H. by_rows. rewrite <- (sum_const k). apply sum_le. intros. apply (proj1 (max_spec r k C z r_pos Hk) H); auto.
Qed.

Lemma matmul_row_row : norm_row r q A <= x -> norm_row q c B <= y -> norm_row r c (matmul q A B) <= x * y.
Proof.
  intros HA HB. assert (0 <= y) by (eapply Rle_trans; [|exact HB]; apply row_nonneg; auto).
  by_rows. eapply Rle_trans; [apply product_row|].
  - intros k Hk. apply (proj1 (row_spec q c B y q_pos) HB); auto.
  - apply Rmult_le_compat_r; [auto|]. apply (proj1 (row_spec r q A x r_pos) HA); auto.
Qed.

Lemma matmul_sum_row : norm_sum r q A <= x -> norm_row q c B <= y -> norm_sum r c (matmul q A B) <= x * y.
Proof.
  intros HA HB. assert (0 <= y) by (eapply Rle_trans; [|exact HB]; apply row_nonneg; auto).
  apply Rle_trans with (norm_sum r q A * y); [|apply Rmult_le_compat_r; auto].
  unfold norm_sum. rewrite Rmult_comm, <- sum_scale. apply sum_le. intros i Hi. rewrite Rmult_comm.
  apply product_row. intros. apply (proj1 (row_spec q c B y q_pos) HB); auto.
Qed.
End Rules.

Lemma transpose_product : forall q A B i j, transpose (matmul q A B) i j = matmul q (transpose B) (transpose A) i j.
Proof. intros; unfold transpose, matmul. apply sum_ext; intros; ring. Qed.

Lemma row_ext : forall r c A B, (forall i j, A i j = B i j) -> norm_row r c A = norm_row r c B.
Proof.
  intros r c A B H. assert (E : forall k, largest k (fun i => sum c (fun j => Rabs (A i j))) = largest k (fun i => sum c (fun j => Rabs (B i j)))).
  { induction k; [reflexivity|]. destruct k.
    - simpl. apply sum_ext; intros; rewrite H; reflexivity.
    - change (Rmax (largest (S k) (fun i => sum c (fun j => Rabs (A i j)))) (sum c (fun j => Rabs (A (S k) j)))
        = Rmax (largest (S k) (fun i => sum c (fun j => Rabs (B i j)))) (sum c (fun j => Rabs (B (S k) j)))).
      rewrite IHk. f_equal. apply sum_ext; intros; rewrite H; reflexivity. }
  apply E.
Qed.
Lemma norm_sum_ext : forall r c A B, (forall i j, A i j = B i j) -> norm_sum r c A = norm_sum r c B.
Proof. intros; unfold norm_sum. apply sum_ext; intros; apply sum_ext; intros; rewrite H; reflexivity. Qed.
Lemma max_ext : forall r c A B, (0 < r)%nat -> (0 < c)%nat -> (forall i j, A i j = B i j) -> norm_max r c A = norm_max r c B.
Proof.
  intros; apply Rle_antisym; apply max_spec; auto; intros; [rewrite H1 | rewrite <- H1];
  apply (proj1 (max_spec r c _ _ H H0) (Rle_refl _)); auto.
Qed.
