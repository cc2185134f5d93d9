From Coq Require Import Reals Lra Lia Bool Arith.
From Almostlinear Require Import Sums Norms NormRules.
Open Scope R_scope.

(* The rules for diagonal matrices, parts, Kronecker products and constant matrices. *)

(* -- diagonal matrices and parts; n is the length of a vector -- *)
Section Parts.
Variables r c : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis c_pos : (0 < c)%nat.
Lemma diag_sums : forall v i, (i < r)%nat -> sum r (fun j => Rabs (diag v i j)) = Rabs (v i 0%nat).
Proof.
  intros. rewrite (sum_single r _ i); auto.
  - unfold diag. rewrite Nat.eqb_refl. reflexivity.
  - intros k Hk Hne. unfold diag. rewrite (proj2 (Nat.eqb_neq i k)) by auto. apply Rabs_R0.
Qed.
Lemma diag_row : forall v x, norm_max r 1 v <= x -> norm_row r r (diag v) <= x.
Proof. intros v x H. by_rows. rewrite diag_sums by auto. apply (proj1 (max_spec r 1 v x r_pos Nat.lt_0_1) H); auto. Qed.
Lemma diag_max : forall v x, norm_max r 1 v <= x -> norm_max r r (diag v) <= x.
Proof. intros. apply max_from_row; auto. apply diag_row; auto. Qed.
Lemma diag_symmetric : forall v i j, transpose (diag v) i j = diag v i j.
Proof.
  intros. unfold transpose, diag. rewrite Nat.eqb_sym. destruct (Nat.eqb i j) eqn:E; [|reflexivity].
  apply Nat.eqb_eq in E. subst. reflexivity.
Qed.
Lemma diag_col : forall v x, norm_max r 1 v <= x -> norm_col r r (diag v) <= x.
Proof. intros. rewrite col_is_row, (row_ext r r _ _ (diag_symmetric v)). apply diag_row; auto. Qed.
Lemma diag_sum : forall v x, norm_sum r 1 v <= x -> norm_sum r r (diag v) <= x.
Proof.
  intros v x H. eapply Rle_trans; [|exact H]. apply sum_le; intros. rewrite diag_sums by auto. simpl. lra.
Qed.

Variable k l : nat.
Hypothesis k_in : (k < r)%nat.
Hypothesis l_in : (l < c)%nat.
Implicit Types A : matrix.
Lemma row_max : forall A x, norm_max r c A <= x -> norm_max c 1 (row k A) <= x.
Proof. intros A x H. by_entries. unfold row. apply (proj1 (max_spec r c A x r_pos c_pos) H); auto. Qed.
Lemma row_row : forall A x, norm_max r c A <= x -> norm_row c 1 (row k A) <= x.
Proof. intros A x H. by_rows. simpl. unfold row. rewrite Rplus_0_l. apply (proj1 (max_spec r c A x r_pos c_pos) H); auto. Qed.
Lemma row_sum : forall A x, norm_row r c A <= x -> norm_sum c 1 (row k A) <= x.
Proof.
  intros A x H. eapply Rle_trans; [|apply (proj1 (row_spec r c A x r_pos) H k k_in)].
  apply sum_le; intros. simpl. unfold row. lra.
Qed.
Lemma row_col : forall A x, norm_row r c A <= x -> norm_col c 1 (row k A) <= x.
Proof. intros. apply col_from_sum; auto. apply row_sum; auto. Qed.
Lemma col_max : forall A x, norm_max r c A <= x -> norm_max r 1 (col l A) <= x.
Proof. intros A x H. by_entries. unfold col. apply (proj1 (max_spec r c A x r_pos c_pos) H); auto. Qed.
Lemma col_row : forall A x, norm_max r c A <= x -> norm_row r 1 (col l A) <= x.
Proof. intros A x H. by_rows. simpl. unfold col. rewrite Rplus_0_l. apply (proj1 (max_spec r c A x r_pos c_pos) H); auto. Qed.
Lemma col_sum : forall A x, norm_col r c A <= x -> norm_sum r 1 (col l A) <= x.
Proof.
  intros A x H. rewrite col_is_row in H. eapply Rle_trans; [|apply (proj1 (row_spec c r (transpose A) x c_pos) H l l_in)].
  apply sum_le; intros. simpl. unfold col, transpose. lra.
Qed.
Lemma col_col : forall A x, norm_col r c A <= x -> norm_col r 1 (col l A) <= x.
Proof. intros. apply col_from_sum; auto. apply col_sum; auto. Qed.
Lemma entry_max : forall A x, norm_max r c A <= x -> norm_max 1 1 (entry k l A) <= x.
Proof. intros A x H. by_entries. unfold entry. apply (proj1 (max_spec r c A x r_pos c_pos) H); auto. Qed.
Lemma entry_row : forall A x, norm_max r c A <= x -> norm_row 1 1 (entry k l A) <= x.
Proof. intros A x H. apply (entry_max A x) in H. unfold norm_max, norm_row in *. simpl in *. lra. Qed.
Lemma entry_col : forall A x, norm_max r c A <= x -> norm_col 1 1 (entry k l A) <= x.
Proof. intros A x H. apply (entry_max A x) in H. unfold norm_max, norm_col in *. simpl in *. lra. Qed.
Lemma entry_sum : forall A x, norm_max r c A <= x -> norm_sum 1 1 (entry k l A) <= x.
Proof. intros A x H. apply (entry_max A x) in H. unfold norm_max, norm_sum in *. simpl in *. lra. Qed.
End Parts.

(* A matrix with m h rows: its k-th block of h rows. *)
Section Blocks.
Variables m h c k : nat.
Hypothesis h_pos : (0 < h)%nat.
Hypothesis c_pos : (0 < c)%nat.
Hypothesis k_in : (k < m)%nat.
Lemma in_block : forall i, (i < h)%nat -> (k * h + i < m * h)%nat.
Proof. intros; nia. Qed.
Lemma rows_pos : (0 < m * h)%nat.
Proof. nia. Qed.
Lemma block_max : forall A x, norm_max (m * h) c A <= x -> norm_max h c (block k h A) <= x.
Proof. intros A x H. by_entries. apply (proj1 (max_spec (m * h) c A x rows_pos c_pos) H); auto. apply in_block; auto. Qed.
Lemma block_row : forall A x, norm_row (m * h) c A <= x -> norm_row h c (block k h A) <= x.
Proof. intros A x H. by_rows. apply (proj1 (row_spec (m * h) c A x rows_pos) H). apply in_block; auto. Qed.
Lemma part_sum : forall f : nat -> R, (forall i, 0 <= f i) -> sum h (fun i => f (k * h + i)%nat) <= sum (m * h) f.
Proof.
  intros f P. rewrite sum_pairs.
  apply (sum_member m (fun a => sum h (fun b => f (a * h + b)%nat)) k); auto. intros; apply sum_nonneg; auto.
Qed.
Lemma block_sum : forall A x, norm_sum (m * h) c A <= x -> norm_sum h c (block k h A) <= x.
Proof.
  intros A x H. eapply Rle_trans; [|exact H].
  apply (part_sum (fun i => sum c (fun j => Rabs (A i j)))). intros; apply sum_abs_nonneg.
Qed.
Lemma block_col : forall A x, norm_col (m * h) c A <= x -> norm_col h c (block k h A) <= x.
Proof.
  intros A x H. rewrite col_is_row in *. by_rows. eapply Rle_trans; [|apply (proj1 (row_spec c (m * h) (transpose A) x c_pos) H i); auto].
  apply (part_sum (fun j => Rabs (transpose A i j))). intros; apply Rabs_pos.
Qed.
End Blocks.

(* -- Kronecker products: A is r x c, B is p x q -- *)
Section Kronecker.
Variables r c p q : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis c_pos : (0 < c)%nat.
Hypothesis p_pos : (0 < p)%nat.
Hypothesis q_pos : (0 < q)%nat.
Lemma kron_max : forall A B x y, norm_max r c A <= x -> norm_max p q B <= y -> norm_max (r * p) (c * q) (kron p q A B) <= x * y.
Proof.
  intros A B x y HA HB. apply max_spec; try nia. intros i j Hi Hj. unfold kron. rewrite Rabs_mult. apply mult_le; try apply Rabs_pos.
  - apply (proj1 (max_spec r c A x r_pos c_pos) HA); eapply major_in_range; eauto.
  - apply (proj1 (max_spec p q B y p_pos q_pos) HB); eapply minor_in_range; eauto.
Qed.
Lemma kron_sums : forall A B i,
  sum (c * q) (fun j => Rabs (kron p q A B i j)) = sum c (fun j => Rabs (A (i / p)%nat j)) * sum q (fun j => Rabs (B (i mod p)%nat j)).
Proof.
  intros. rewrite <- (sum_of_products c q (fun j => Rabs (A (i / p)%nat j)) (fun j => Rabs (B (i mod p)%nat j))).
  apply sum_ext; intros. unfold kron. apply Rabs_mult.
Qed.
Lemma kron_row : forall A B x y, norm_row r c A <= x -> norm_row p q B <= y -> norm_row (r * p) (c * q) (kron p q A B) <= x * y.
Proof.
  intros A B x y HA HB. apply row_spec; try nia. intros i Hi. rewrite kron_sums. apply mult_le; try apply sum_abs_nonneg.
  - apply (proj1 (row_spec r c A x r_pos) HA). eapply major_in_range; eauto.
  - apply (proj1 (row_spec p q B y p_pos) HB). eapply minor_in_range; eauto.
Qed.
Lemma kron_sum : forall A B x y, norm_sum r c A <= x -> norm_sum p q B <= y -> norm_sum (r * p) (c * q) (kron p q A B) <= x * y.
Proof.
  intros A B x y HA HB. unfold norm_sum. rewrite (sum_ext (r * p) _ _ (fun i _ => kron_sums A B i)).
  rewrite (sum_of_products r p (fun i => sum c (fun j => Rabs (A i j))) (fun i => sum q (fun j => Rabs (B i j)))).
  apply mult_le; auto; apply norm_sum_nonneg.
Qed.
End Kronecker.
Lemma kron_col : forall r c p q A B x y, (0 < r)%nat -> (0 < c)%nat -> (0 < p)%nat -> (0 < q)%nat ->
  norm_col r c A <= x -> norm_col p q B <= y -> norm_col (r * p) (c * q) (kron p q A B) <= x * y.
Proof. intros. rewrite col_is_row in *. apply (kron_row c r q p H0 H H2 H1 (transpose A) (transpose B)); auto. Qed.

(* Row-wise: A is r x q, B is r x p. *)
Section RowKronecker.
Variables r p q : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis p_pos : (0 < p)%nat.
Hypothesis q_pos : (0 < q)%nat.
Lemma rowkron_max : forall A B x y, norm_max r q A <= x -> norm_max r p B <= y -> norm_max r (q * p) (rowkron q A B) <= x * y.
Proof.
  intros A B x y HA HB. apply max_spec; try nia. intros i j Hi Hj. unfold rowkron. rewrite Rabs_mult. apply mult_le; try apply Rabs_pos.
  - apply (proj1 (max_spec r q A x r_pos q_pos) HA); auto. rewrite Nat.mul_comm in Hj. eapply minor_in_range; eauto.
  - apply (proj1 (max_spec r p B y r_pos p_pos) HB); auto. rewrite Nat.mul_comm in Hj. eapply major_in_range; eauto.
Qed.
Lemma rowkron_sums : forall A B i,
  sum (q * p) (fun j => Rabs (rowkron q A B i j)) = sum q (fun j => Rabs (A i j)) * sum p (fun j => Rabs (B i j)).
Proof.
  intros. rewrite Nat.mul_comm, Rmult_comm, <- (sum_of_products p q (fun j => Rabs (B i j)) (fun j => Rabs (A i j))).
  apply sum_ext; intros. unfold rowkron. rewrite Rabs_mult, Rmult_comm. reflexivity.
Qed.
Lemma rowkron_row : forall A B x y, norm_row r q A <= x -> norm_row r p B <= y -> norm_row r (q * p) (rowkron q A B) <= x * y.
Proof.
  intros A B x y HA HB. by_rows. rewrite rowkron_sums. apply mult_le; try apply sum_abs_nonneg;
  [apply (proj1 (row_spec r q A x r_pos) HA)|apply (proj1 (row_spec r p B y r_pos) HB)]; auto.
Qed.
Lemma rowkron_row_sum : forall A B x y, norm_row r q A <= x -> norm_sum r p B <= y -> norm_sum r (q * p) (rowkron q A B) <= x * y.
Proof.
  intros A B x y HA HB. assert (0 <= x) by (eapply Rle_trans; [|exact HA]; apply row_nonneg; auto).
  apply Rle_trans with (x * norm_sum r p B); [|apply Rmult_le_compat_l; auto].
  unfold norm_sum. rewrite <- sum_scale. apply sum_le; intros. rewrite rowkron_sums.
  apply Rmult_le_compat_r; [apply sum_abs_nonneg|]. apply (proj1 (row_spec r q A x r_pos) HA); auto.
Qed.
Lemma rowkron_sum_row : forall A B x y, norm_sum r q A <= x -> norm_row r p B <= y -> norm_sum r (q * p) (rowkron q A B) <= x * y.
Proof.
  intros A B x y HA HB. assert (0 <= y) by (eapply Rle_trans; [|exact HB]; apply row_nonneg; auto).
  apply Rle_trans with (norm_sum r q A * y); [|apply Rmult_le_compat_r; auto].
  unfold norm_sum. rewrite Rmult_comm, <- sum_scale. apply sum_le; intros. rewrite rowkron_sums, Rmult_comm.
  apply Rmult_le_compat_r; [apply sum_abs_nonneg|]. apply (proj1 (row_spec r p B y r_pos) HB); auto.
Qed.
Lemma rowkron_column : forall A B j (x y : R), (j < q * p)%nat -> norm_max r q A <= x -> norm_col r p B <= y ->
  sum r (fun i => Rabs (rowkron q A B i j)) <= x * y.
Proof.
  intros A B j x y Hj HA HB. rewrite Nat.mul_comm in Hj.
  assert (0 <= x) by (eapply Rle_trans; [|exact HA]; apply max_nonneg; auto).
  apply Rle_trans with (x * sum r (fun i => Rabs (B i (j / q)%nat))).
  - rewrite <- sum_scale. apply sum_le; intros. unfold rowkron. rewrite Rabs_mult.
    apply Rmult_le_compat_r; [apply Rabs_pos|]. apply (proj1 (max_spec r q A x r_pos q_pos) HA); auto. eapply minor_in_range; eauto.
  - apply Rmult_le_compat_l; auto. rewrite col_is_row in HB.
    apply (proj1 (row_spec p r (transpose B) y p_pos) HB). eapply major_in_range; eauto.
Qed.
Lemma rowkron_max_col : forall A B x y, norm_max r q A <= x -> norm_col r p B <= y -> norm_col r (q * p) (rowkron q A B) <= x * y.
Proof. intros A B x y HA HB. rewrite col_is_row. apply row_spec; [nia|]. intros. apply rowkron_column; auto. Qed.
Lemma rowkron_col_max : forall A B x y, norm_col r q A <= x -> norm_max r p B <= y -> norm_col r (q * p) (rowkron q A B) <= x * y.
Proof.
  intros A B x y HA HB. rewrite col_is_row. apply row_spec; [nia|]. intros j Hj. rewrite Nat.mul_comm in Hj.
  assert (0 <= y) by (eapply Rle_trans; [|exact HB]; apply max_nonneg; auto).
  apply Rle_trans with (y * sum r (fun i => Rabs (A i (j mod q)%nat))).
  - rewrite <- sum_scale. apply sum_le; intros. unfold transpose, rowkron. rewrite Rabs_mult, Rmult_comm.
    apply Rmult_le_compat_r; [apply Rabs_pos|]. apply (proj1 (max_spec r p B y r_pos p_pos) HB); auto. eapply major_in_range; eauto.
  - rewrite Rmult_comm. apply Rmult_le_compat_r; auto. rewrite col_is_row in HA.
    apply (proj1 (row_spec q r (transpose A) x q_pos) HA). eapply minor_in_range; eauto.
Qed.
End RowKronecker.

(* -- constant matrices -- *)
Section Constants.
Variables r c : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis c_pos : (0 < c)%nat.
Lemma ones_max : norm_max r c ones <= 1.
Proof. by_entries. unfold ones. rewrite Rabs_R1. lra. Qed.
Lemma ones_row : norm_row r c ones <= INR c.
Proof. rewrite <- (Rmult_1_r (INR c)). apply row_from_max; auto. apply ones_max. Qed.
Lemma ones_sum : norm_sum r c ones <= INR r * INR c.
Proof. rewrite <- (Rmult_1_r (INR r * INR c)). apply sum_from_max; auto. apply ones_max. Qed.
Lemma eye_is_diag : forall i j, eye i j = diag ones i j.
Proof. reflexivity. Qed.
Lemma vector_ones : norm_max r 1 ones <= 1.
Proof. by_entries. unfold ones. rewrite Rabs_R1. lra. Qed.
Lemma eye_max : norm_max r r eye <= 1.
Proof. apply (diag_max r r_pos ones), vector_ones. Qed.
Lemma eye_row : norm_row r r eye <= 1.
Proof. apply (diag_row r r_pos ones), vector_ones. Qed.
Lemma eye_col : norm_col r r eye <= 1.
Proof. apply (diag_col r r_pos ones), vector_ones. Qed.
Lemma eye_sum : norm_sum r r eye <= INR r.
Proof. rewrite <- (Rmult_1_r (INR r)). apply sum_from_row; auto. apply eye_row. Qed.
Variable k : nat.
Hypothesis k_in : (k < r)%nat.
Lemma unit_sum : norm_sum r 1 (unit k) <= 1.
Proof.
  unfold norm_sum. rewrite (sum_single r _ k); auto.
  - simpl. unfold unit. rewrite Nat.eqb_refl, Rabs_R1. lra.
  - intros i Hi Hne. simpl. unfold unit. rewrite (proj2 (Nat.eqb_neq i k)) by auto. rewrite Rabs_R0. ring.
Qed.
Lemma unit_row : norm_row r 1 (unit k) <= 1.
Proof. apply row_from_sum; auto. apply unit_sum. Qed.
Lemma unit_col : norm_col r 1 (unit k) <= 1.
Proof. apply col_from_sum; auto. apply unit_sum. Qed.
Lemma unit_max : norm_max r 1 (unit k) <= 1.
Proof. apply max_from_sum; auto. apply unit_sum. Qed.
Lemma bounded_max : forall A, (forall i j, (i < r)%nat -> (j < c)%nat -> -1 <= A i j <= 1) -> norm_max r c A <= 1.
Proof. intros A H. by_entries. apply Rabs_le. auto. Qed.
End Constants.
Lemma ones_col : forall r c, (0 < r)%nat -> (0 < c)%nat -> norm_col r c ones <= INR r.
Proof. intros. rewrite col_is_row. apply ones_row; auto. Qed.

(* diag(1/(u 1)) u for u >= 0; where a row of u is 0, so is the row here. *)
Section Normalised.
Variables r c : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis c_pos : (0 < c)%nat.
Variable u : matrix.
Hypothesis u_nonneg : forall i j, (i < r)%nat -> (j < c)%nat -> 0 <= u i j.
Lemma normalised_row : norm_row r c (normalised r c u) <= 1.
Proof.
  by_rows. rewrite (sum_ext c _ (fun j => / sum c (u i) * u i j)).
  - rewrite sum_scale. destruct (Req_dec (sum c (u i)) 0) as [E|N]; [rewrite E; lra|]. rewrite Rinv_l; lra.
  - intros j Hj. rewrite normalised_entry by auto. rewrite Rabs_pos_eq; [unfold Rdiv; ring|].
    pose proof (sum_nonneg c (u i) (fun k Hk => u_nonneg i k H Hk)) as P.
    apply Rmult_le_pos; [auto|]. destruct P as [P|P]; [left; apply Rinv_0_lt_compat; auto|].
    rewrite <- P. assert (Z : / 0 = 0) by apply Rinv_0. rewrite Z. lra.
Qed.
Lemma normalised_max : norm_max r c (normalised r c u) <= 1.
Proof. apply max_from_row; auto. apply normalised_row. Qed.
Lemma normalised_sum : norm_sum r c (normalised r c u) <= INR r.
Proof. rewrite <- (Rmult_1_r (INR r)). apply sum_from_row; auto. apply normalised_row. Qed.
End Normalised.

(* A norm of a diagonal matrix from its largest entry. *)
Section Diagonal.
Variable r : nat.
Hypothesis r_pos : (0 < r)%nat.
Variable v : matrix.
Variable x : R.
Hypothesis bound : norm_max r r (diag v) <= x.
Lemma diagonal_entries : norm_max r 1 v <= x.
Proof.
  by_entries. replace (v i j) with (diag v i i); [apply (proj1 (max_spec r r (diag v) x r_pos r_pos) bound); auto|].
  unfold diag. rewrite Nat.eqb_refl. replace j with 0%nat by lia. reflexivity.
Qed.
Lemma diagonal_row : norm_row r r (diag v) <= x.
Proof. apply diag_row; auto. apply diagonal_entries. Qed.
Lemma diagonal_col : norm_col r r (diag v) <= x.
Proof. apply diag_col; auto. apply diagonal_entries. Qed.
Lemma diagonal_sum : norm_sum r r (diag v) <= INR r * x.
Proof. apply sum_from_row; auto. apply diagonal_row. Qed.
End Diagonal.
