From Coq Require Import Reals Lra Lia Bool Arith.
From Almostlinear Require Import Sums Norms.
Open Scope R_scope.

(* The rules of the norm calculus, for all sizes. Sums over pairs first. *)
Lemma sum_app : forall m p f, sum (m + p) f = sum m f + sum p (fun k => f (m + k)%nat).
Proof.
  induction p; intros; simpl; [rewrite Nat.add_0_r; lra|].
  rewrite Nat.add_succ_r. simpl. rewrite IHp. lra.
Qed.
Lemma sum_pairs : forall m p f, sum (m * p) f = sum m (fun a => sum p (fun b => f (a * p + b)%nat)).
Proof.
  induction m; intros; simpl; [reflexivity|].
  rewrite Nat.add_comm, sum_app, IHm. reflexivity.
Qed.
Lemma pair_major : forall p a b, (b < p)%nat -> ((a * p + b) / p = a)%nat.
Proof. intros. rewrite Nat.div_add_l by lia. rewrite Nat.div_small by auto. lia. Qed.
Lemma pair_minor : forall p a b, (b < p)%nat -> ((a * p + b) mod p = b)%nat.
Proof. intros. rewrite Nat.add_comm, Nat.mod_add by lia. apply Nat.mod_small; auto. Qed.
Lemma sum_of_products : forall m p f g,
  sum (m * p) (fun k => f (k / p)%nat * g (k mod p)%nat) = sum m f * sum p g.
Proof.
  intros. rewrite sum_pairs, Rmult_comm, <- sum_scale. apply sum_ext. intros a Ha.
  rewrite Rmult_comm, <- sum_scale. apply sum_ext. intros b Hb. rewrite pair_major, pair_minor; auto.
Qed.
Lemma major_in_range : forall m p k, (k < m * p)%nat -> (k / p < m)%nat.
Proof. intros. apply Nat.div_lt_upper_bound; nia. Qed.
Lemma minor_in_range : forall m p k, (k < m * p)%nat -> (k mod p < p)%nat.
Proof. intros. apply Nat.mod_upper_bound. nia. Qed.

Lemma mult_le : forall a b x y, 0 <= a -> 0 <= b -> a <= x -> b <= y -> a * b <= x * y.
Proof. intros. apply Rmult_le_compat; auto. Qed.

Section Sizes.
Variables r c : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis c_pos : (0 < c)%nat.
Implicit Types A B : matrix.
Implicit Types x y : R.

(* -- two matrices of one shape -- *)
Lemma add_max : forall A B x y, norm_max r c A <= x -> norm_max r c B <= y -> norm_max r c (add A B) <= x + y.
Proof.
  intros A B x y HA HB. by_entries. unfold add. eapply Rle_trans; [apply Rabs_triang|].
  apply Rplus_le_compat; [apply (proj1 (max_spec r c A x r_pos c_pos) HA)|apply (proj1 (max_spec r c B y r_pos c_pos) HB)]; auto.
Qed.
Lemma add_sums : forall A B i, sum c (fun j => Rabs (add A B i j)) <= sum c (fun j => Rabs (A i j)) + sum c (fun j => Rabs (B i j)).
Proof. intros. rewrite <- sum_plus. apply sum_le; intros. apply Rabs_triang. Qed.
Lemma add_row : forall A B x y, norm_row r c A <= x -> norm_row r c B <= y -> norm_row r c (add A B) <= x + y.
Proof.
  intros A B x y HA HB. by_rows. eapply Rle_trans; [apply add_sums|].
  apply Rplus_le_compat; [apply (proj1 (row_spec r c A x r_pos) HA)|apply (proj1 (row_spec r c B y r_pos) HB)]; auto.
Qed.
Lemma add_sum : forall A B x y, norm_sum r c A <= x -> norm_sum r c B <= y -> norm_sum r c (add A B) <= x + y.
Proof.
  intros A B x y HA HB. apply Rle_trans with (norm_sum r c A + norm_sum r c B); [|lra].
  unfold norm_sum. rewrite <- sum_plus. apply sum_le; intros. apply add_sums.
Qed.

Lemma scale_max : forall k A x, norm_max r c A <= x -> norm_max r c (scale k A) <= Rabs k * x.
Proof.
  intros k A x HA. by_entries. unfold scale. rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|].
  apply (proj1 (max_spec r c A x r_pos c_pos) HA); auto.
Qed.
Lemma scale_sums : forall k A i, sum c (fun j => Rabs (scale k A i j)) = Rabs k * sum c (fun j => Rabs (A i j)).
Proof. intros. rewrite <- sum_scale. apply sum_ext; intros. apply Rabs_mult. Qed.
Lemma scale_row : forall k A x, norm_row r c A <= x -> norm_row r c (scale k A) <= Rabs k * x.
Proof.
  intros k A x HA. by_rows. rewrite scale_sums. apply Rmult_le_compat_l; [apply Rabs_pos|].
  apply (proj1 (row_spec r c A x r_pos) HA); auto.
Qed.
Lemma scale_sum : forall k A x, norm_sum r c A <= x -> norm_sum r c (scale k A) <= Rabs k * x.
Proof.
  intros k A x HA. apply Rle_trans with (Rabs k * norm_sum r c A); [|apply Rmult_le_compat_l; [apply Rabs_pos|auto]].
  unfold norm_sum. rewrite <- sum_scale. apply sum_le; intros. rewrite scale_sums. lra.
Qed.

Lemma scalar_bound : forall A x, norm_max 1 1 A <= x -> Rabs (A 0%nat 0%nat) <= x.
Proof. intros A x H. apply (proj1 (max_spec 1 1 A x Nat.lt_0_1 Nat.lt_0_1) H); auto. Qed.
Lemma times_max : forall A B x y, norm_max 1 1 A <= x -> norm_max r c B <= y -> norm_max r c (times A B) <= x * y.
Proof.
  intros A B x y HA HB. eapply Rle_trans; [apply (scale_max (A 0%nat 0%nat) B y HB)|].
  apply Rmult_le_compat_r; [|apply scalar_bound; auto]. eapply Rle_trans; [|exact HB]. apply max_nonneg; auto.
Qed.
Lemma times_row : forall A B x y, norm_max 1 1 A <= x -> norm_row r c B <= y -> norm_row r c (times A B) <= x * y.
Proof.
  intros A B x y HA HB. eapply Rle_trans; [apply (scale_row (A 0%nat 0%nat) B y HB)|].
  apply Rmult_le_compat_r; [|apply scalar_bound; auto]. eapply Rle_trans; [|exact HB]. apply row_nonneg; auto.
Qed.
Lemma times_sum : forall A B x y, norm_max 1 1 A <= x -> norm_sum r c B <= y -> norm_sum r c (times A B) <= x * y.
Proof.
  intros A B x y HA HB. eapply Rle_trans; [apply (scale_sum (A 0%nat 0%nat) B y HB)|].
  apply Rmult_le_compat_r; [|apply scalar_bound; auto]. eapply Rle_trans; [|exact HB]. apply norm_sum_nonneg.
Qed.

Lemma hadamard_max_max : forall A B x y, norm_max r c A <= x -> norm_max r c B <= y -> norm_max r c (hadamard A B) <= x * y.
Proof.
  intros A B x y HA HB. by_entries. unfold hadamard. rewrite Rabs_mult. apply mult_le; try apply Rabs_pos;
  [apply (proj1 (max_spec r c A x r_pos c_pos) HA)|apply (proj1 (max_spec r c B y r_pos c_pos) HB)]; auto.
Qed.
Lemma hadamard_sums : forall A B y i, norm_max r c B <= y -> (i < r)%nat ->
  sum c (fun j => Rabs (hadamard A B i j)) <= sum c (fun j => Rabs (A i j)) * y.
Proof.
  intros A B y i HB Hi. rewrite Rmult_comm, <- sum_scale. apply sum_le; intros j Hj. unfold hadamard.
  rewrite Rabs_mult, Rmult_comm. apply Rmult_le_compat_r; [apply Rabs_pos|]. apply (proj1 (max_spec r c B y r_pos c_pos) HB); auto.
Qed.
Lemma hadamard_row_max : forall A B x y, norm_row r c A <= x -> norm_max r c B <= y -> norm_row r c (hadamard A B) <= x * y.
Proof.
  intros A B x y HA HB. by_rows. eapply Rle_trans; [apply (hadamard_sums A B y); auto|].
  apply Rmult_le_compat_r; [eapply Rle_trans; [|exact HB]; apply max_nonneg; auto|].
  apply (proj1 (row_spec r c A x r_pos) HA); auto.
Qed.
Lemma hadamard_sum_max : forall A B x y, norm_sum r c A <= x -> norm_max r c B <= y -> norm_sum r c (hadamard A B) <= x * y.
Proof.
  intros A B x y HA HB. apply Rle_trans with (norm_sum r c A * y).
  - unfold norm_sum. rewrite Rmult_comm, <- sum_scale. apply sum_le; intros. rewrite Rmult_comm. apply (hadamard_sums A B y); auto.
  - apply Rmult_le_compat_r; [eapply Rle_trans; [|exact HB]; apply max_nonneg; auto|auto].
Qed.
Lemma hadamard_comm : forall A B i j, hadamard A B i j = hadamard B A i j.
Proof. intros; unfold hadamard; ring. Qed.
Lemma hadamard_max_row : forall A B x y, norm_max r c A <= x -> norm_row r c B <= y -> norm_row r c (hadamard A B) <= x * y.
Proof. intros. rewrite (row_ext r c _ _ (hadamard_comm A B)), Rmult_comm. apply hadamard_row_max; auto. Qed.
Lemma hadamard_max_sum : forall A B x y, norm_max r c A <= x -> norm_sum r c B <= y -> norm_sum r c (hadamard A B) <= x * y.
Proof. intros. rewrite (norm_sum_ext r c _ _ (hadamard_comm A B)), Rmult_comm. apply hadamard_sum_max; auto. Qed.

Lemma absolute_max : forall A x, norm_max r c A <= x -> norm_max r c (absolute A) <= x.
Proof. intros A x HA. by_entries. unfold absolute. rewrite Rabs_Rabsolu. apply (proj1 (max_spec r c A x r_pos c_pos) HA); auto. Qed.
Lemma absolute_row : forall A x, norm_row r c A <= x -> norm_row r c (absolute A) <= x.
Proof.
  intros A x HA. by_rows. rewrite (sum_ext c _ (fun j => Rabs (A i j))) by (intros; unfold absolute; apply Rabs_Rabsolu).
  apply (proj1 (row_spec r c A x r_pos) HA); auto.
Qed.
Lemma absolute_sum : forall A x, norm_sum r c A <= x -> norm_sum r c (absolute A) <= x.
Proof.
  intros A x HA. eapply Rle_trans; [|exact HA]. apply sum_le; intros. apply sum_le; intros. unfold absolute. rewrite Rabs_Rabsolu. lra.
Qed.
Lemma transpose_max : forall A x, norm_max r c A <= x -> norm_max c r (transpose A) <= x.
Proof. intros A x HA. by_entries. unfold transpose. apply (proj1 (max_spec r c A x r_pos c_pos) HA); auto. Qed.

(* -- one norm from another -- *)
Lemma max_from_row : forall A x, norm_row r c A <= x -> norm_max r c A <= x.
Proof.
  intros A x HA. by_entries. eapply Rle_trans; [|apply (proj1 (row_spec r c A x r_pos) HA i); auto].
  apply (sum_member c (fun j => Rabs (A i j))); auto. intros; apply Rabs_pos.
Qed.
Lemma row_from_sum : forall A x, norm_sum r c A <= x -> norm_row r c A <= x.
Proof. intros A x HA. by_rows. eapply Rle_trans; [apply (sum_one_row r)|]; auto. Qed.
Lemma max_from_sum : forall A x, norm_sum r c A <= x -> norm_max r c A <= x.
Proof. intros. apply max_from_row, row_from_sum; auto. Qed.
Lemma row_from_max : forall A x, norm_max r c A <= x -> norm_row r c A <= INR c * x.
Proof.
  intros A x HA. by_rows. rewrite <- (sum_const c). apply sum_le; intros. apply (proj1 (max_spec r c A x r_pos c_pos) HA); auto.
Qed.
Lemma sum_from_row : forall A x, norm_row r c A <= x -> norm_sum r c A <= INR r * x.
Proof.
  intros A x HA. unfold norm_sum. rewrite <- (sum_const r). apply sum_le; intros. apply (proj1 (row_spec r c A x r_pos) HA); auto.
Qed.
Lemma sum_from_max : forall A x, norm_max r c A <= x -> norm_sum r c A <= INR r * INR c * x.
Proof. intros. rewrite Rmult_assoc. apply sum_from_row, row_from_max; auto. Qed.

(* -- row-stochastic matrices -- *)
Definition stochastic A := (forall i j, (i < r)%nat -> (j < c)%nat -> 0 <= A i j) /\ (forall i, (i < r)%nat -> sum c (A i) = 1).
Lemma stochastic_sums : forall A i, stochastic A -> (i < r)%nat -> sum c (fun j => Rabs (A i j)) = 1.
Proof.
  intros A i [P S] Hi. rewrite <- (S i Hi). apply sum_ext; intros. apply Rabs_pos_eq. auto.
Qed.
Lemma stochastic_row : forall A, stochastic A -> norm_row r c A <= 1.
Proof. intros A H. by_rows. rewrite stochastic_sums; auto. lra. Qed.
Lemma stochastic_max : forall A, stochastic A -> norm_max r c A <= 1.
Proof. intros. apply max_from_row, stochastic_row; auto. Qed.
Lemma stochastic_sum : forall A, stochastic A -> norm_sum r c A <= INR r.
Proof. intros. rewrite <- Rmult_1_r. apply sum_from_row, stochastic_row; auto. Qed.
End Sizes.

(* diag(1/(u 1)) u is row-stochastic where the row sums of u >= 0 are positive. *)
Lemma diag_product : forall q v A i j, (i < q)%nat -> matmul q (diag v) A i j = v i 0%nat * A i j.
Proof.
  intros. unfold matmul. rewrite (sum_single q _ i); auto.
  - unfold diag. rewrite Nat.eqb_refl. reflexivity.
  - intros k Hk Hne. unfold diag. rewrite (proj2 (Nat.eqb_neq i k)) by auto. ring.
Qed.
Definition normalised (r c : nat) (u : matrix) : matrix := matmul r (diag (recip (matmul c u ones))) u.
Lemma normalised_entry : forall r c u i j, (i < r)%nat -> normalised r c u i j = u i j / sum c (u i).
Proof.
  intros. unfold normalised. rewrite diag_product by auto. unfold recip, matmul, ones.
  rewrite (sum_ext c (fun k => u i k * 1) (u i)) by (intros; ring). unfold Rdiv. ring.
Qed.
Lemma normalised_stochastic : forall r c u, (0 < c)%nat ->
  (forall i j, (i < r)%nat -> (j < c)%nat -> 0 <= u i j) -> (forall i, (i < r)%nat -> 0 < sum c (u i)) ->
  stochastic r c (normalised r c u).
Proof.
  intros r c u Hc P S. split; intros.
  - rewrite normalised_entry by auto. apply Rmult_le_pos; auto. left. apply Rinv_0_lt_compat; auto.
  - rewrite (sum_ext c _ (fun j => / sum c (u i) * u i j)) by (intros; rewrite normalised_entry by auto; unfold Rdiv; ring).
    rewrite sum_scale. apply Rinv_l. specialize (S i H). lra.
Qed.

(* -- columns, by transposition -- *)
Section Columns.
Variables r c : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis c_pos : (0 < c)%nat.
Lemma add_col : forall A B x y, norm_col r c A <= x -> norm_col r c B <= y -> norm_col r c (add A B) <= x + y.
Proof. intros. rewrite col_is_row in *. apply (add_row c r c_pos (transpose A) (transpose B)); auto. Qed.
Lemma scale_col : forall k A x, norm_col r c A <= x -> norm_col r c (scale k A) <= Rabs k * x.
Proof. intros. rewrite col_is_row in *. apply (scale_row c r c_pos k (transpose A)); auto. Qed.
Lemma times_col : forall A B x y, norm_max 1 1 A <= x -> norm_col r c B <= y -> norm_col r c (times A B) <= x * y.
Proof. intros. rewrite col_is_row in *. apply (times_row c r c_pos A (transpose B)); auto. Qed.
Lemma hadamard_col_max : forall A B x y, norm_col r c A <= x -> norm_max r c B <= y -> norm_col r c (hadamard A B) <= x * y.
Proof. intros. rewrite col_is_row in *. apply (hadamard_row_max c r c_pos r_pos (transpose A) (transpose B)); auto. apply transpose_max; auto. Qed.
Lemma hadamard_max_col : forall A B x y, norm_max r c A <= x -> norm_col r c B <= y -> norm_col r c (hadamard A B) <= x * y.
Proof. intros. rewrite col_is_row in *. apply (hadamard_max_row c r c_pos r_pos (transpose A) (transpose B)); auto. apply transpose_max; auto. Qed.
Lemma absolute_col : forall A x, norm_col r c A <= x -> norm_col r c (absolute A) <= x.
Proof. intros. rewrite col_is_row in *. apply (absolute_row c r c_pos (transpose A)); auto. Qed.
Lemma transpose_row : forall A x, norm_col r c A <= x -> norm_row c r (transpose A) <= x.
Proof. intros. exact H. Qed.
Lemma transpose_col : forall A x, norm_row r c A <= x -> norm_col c r (transpose A) <= x.
Proof. intros. exact H. Qed.
Lemma transpose_sum : forall A x, norm_sum r c A <= x -> norm_sum c r (transpose A) <= x.
Proof. intros. rewrite <- sum_transpose. exact H. Qed.
Lemma max_transposed : forall A, norm_max r c A = norm_max c r (transpose A).
Proof.
  intros. apply Rle_antisym; [|apply transpose_max; auto; lra].
  apply (transpose_max c r c_pos r_pos (transpose A)). lra.
Qed.
Lemma max_from_col : forall A x, norm_col r c A <= x -> norm_max r c A <= x.
Proof. intros. rewrite max_transposed. apply max_from_row; auto. Qed.
Lemma col_from_sum : forall A x, norm_sum r c A <= x -> norm_col r c A <= x.
Proof. intros. rewrite col_is_row. apply row_from_sum; auto. rewrite <- sum_transpose. exact H. Qed.
Lemma col_from_max : forall A x, norm_max r c A <= x -> norm_col r c A <= INR r * x.
Proof. intros. rewrite col_is_row. apply row_from_max; auto. apply transpose_max; auto. Qed.
Lemma sum_from_col : forall A x, norm_col r c A <= x -> norm_sum r c A <= INR c * x.
Proof. intros. rewrite sum_transpose. apply sum_from_row; auto. Qed.
End Columns.

Section Products.
Variables r c q : nat.
Hypothesis r_pos : (0 < r)%nat.
Hypothesis c_pos : (0 < c)%nat.
Hypothesis q_pos : (0 < q)%nat.
Lemma matmul_max_max : forall A B x y, norm_max r q A <= x -> norm_max q c B <= y -> norm_max r c (matmul q A B) <= INR q * x * y.
Proof. intros. apply matmul_row_max; auto. apply row_from_max; auto. Qed.
Lemma matmul_max_col : forall A B x y, norm_max r q A <= x -> norm_col q c B <= y -> norm_max r c (matmul q A B) <= x * y.
Proof.
  intros. rewrite (max_transposed r c) by auto. rewrite (max_ext c r _ _ c_pos r_pos (transpose_product q A B)), Rmult_comm.
  apply matmul_row_max; auto. apply transpose_max; auto.
Qed.
Lemma matmul_col_col : forall A B x y, norm_col r q A <= x -> norm_col q c B <= y -> norm_col r c (matmul q A B) <= x * y.
Proof.
  intros. rewrite col_is_row, (row_ext c r _ _ (transpose_product q A B)), Rmult_comm. apply matmul_row_row; auto.
Qed.
Lemma matmul_col_sum : forall A B x y, norm_col r q A <= x -> norm_sum q c B <= y -> norm_sum r c (matmul q A B) <= x * y.
Proof.
  intros. rewrite sum_transpose, (norm_sum_ext c r _ _ (transpose_product q A B)), Rmult_comm.
  apply matmul_sum_row; auto. rewrite <- sum_transpose. auto.
Qed.
End Products.
Lemma matmul_max_sum : forall r c q A B x y, (0 < r)%nat -> (0 < q)%nat ->
  norm_max r q A <= x -> norm_sum q c B <= y -> norm_row r c (matmul q A B) <= x * y.
Proof.
  intros r c q A B x y r_pos q_pos HA HB. by_rows. eapply Rle_trans; [apply sum_le; intros j Hj; apply sum_abs|]. rewrite sum_swap.
  assert (0 <= x) by (eapply Rle_trans; [|exact HA]; apply max_nonneg; auto).
  apply Rle_trans with (x * norm_sum q c B); [|apply Rmult_le_compat_l; auto].
  unfold norm_sum. rewrite <- sum_scale. apply sum_le. intros k Hk.
  rewrite (sum_ext c _ (fun j => Rabs (A i k) * Rabs (B k j))) by (intros; apply Rabs_mult). rewrite sum_scale.
  apply Rmult_le_compat_r; [apply sum_abs_nonneg|]. apply (proj1 (max_spec r q A x r_pos q_pos) HA); auto.
Qed.
Lemma matmul_sum_max : forall r c q A B x y, (0 < r)%nat -> (0 < c)%nat -> (0 < q)%nat ->
  norm_sum r q A <= x -> norm_max q c B <= y -> norm_col r c (matmul q A B) <= x * y.
Proof.
  intros r c q A B x y r_pos c_pos q_pos HA HB. rewrite col_is_row, (row_ext c r _ _ (transpose_product q A B)), Rmult_comm.
  apply matmul_max_sum; auto; [apply transpose_max; auto|rewrite <- sum_transpose; auto].
Qed.
