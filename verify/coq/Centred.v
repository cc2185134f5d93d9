From Coq Require Import Reals Lra Lia Bool Arith Psatz.
From Coquelicot Require Import Rcomplements.
From Almostlinear Require Import Sums Rows.
Open Scope R_scope.

(* Weights f of a row times values q less their mean: f_k q_k - (sum f q) f_k. Its l1 norm is at most max |q|, and where the kernel has a
   relative error eta it changes by at most eps_1 max |q|, eps_1 = 2 eta / (1 + sqrt(1 - eta^2)). *)
Definition mean (n : nat) (f x : nat -> R) : R := sum n (fun k => f k * x k).
Definition covariance (n : nat) (f s q : nat -> R) : R := mean n f (fun k => s k * q k) - mean n f s * mean n f q.
Definition centred (n : nat) (f q : nat -> R) (k : nat) : R := f k * q k - mean n f q * f k.
Definition sign (x : R) : R := if Rle_dec 0 x then 1 else -1.

Lemma sign_abs : forall x, sign x * x = Rabs x.
Proof. intros. unfold sign. destruct (Rle_dec 0 x); [rewrite Rabs_pos_eq|rewrite Rabs_left1]; lra. Qed.
Lemma sign_range : forall x, -1 <= sign x <= 1.
Proof. intros. unfold sign. destruct (Rle_dec 0 x); lra. Qed.
Lemma square_below : forall x, -1 <= x <= 1 -> x * x <= 1.
Proof. intros. nra. Qed.

Lemma mean_ext : forall n f x y, (forall k, (k < n)%nat -> x k = y k) -> mean n f x = mean n f y.
Proof. intros. unfold mean. apply sum_ext. intros. rewrite H; auto. Qed.
Lemma mean_scale : forall n f x c, mean n f (fun k => c * x k) = c * mean n f x.
Proof. intros. unfold mean. rewrite <- sum_scale. apply sum_ext. intros. ring. Qed.
Lemma mean_plus : forall n f x y, mean n f (fun k => x k + y k) = mean n f x + mean n f y.
Proof. intros. unfold mean. rewrite <- sum_plus. apply sum_ext. intros. ring. Qed.
Lemma mean_const : forall n f c, sum n f = 1 -> mean n f (fun _ => c) = c.
Proof. intros. unfold mean. rewrite (sum_ext n _ (fun k => c * f k)) by (intros; ring). rewrite sum_scale, H. ring. Qed.
Lemma mean_le : forall n f x y, (forall k, (k < n)%nat -> 0 <= f k) -> (forall k, (k < n)%nat -> x k <= y k) -> mean n f x <= mean n f y.
Proof. intros. unfold mean. apply sum_le. intros. apply Rmult_le_compat_l; auto. Qed.

Section Weights.
Variable n : nat.
Variables f s q : nat -> R.
Hypothesis f_pos : forall k, (k < n)%nat -> 0 <= f k.
Hypothesis f_total : sum n f = 1.
Hypothesis q_range : forall k, (k < n)%nat -> -1 <= q k <= 1.
Lemma mean_range : -1 <= mean n f q <= 1.
Proof.
  split; [rewrite <- (mean_const n f (-1) f_total)|rewrite <- (mean_const n f 1 f_total)]; apply mean_le; auto; intros; apply q_range; auto.
Qed.
Hypothesis s_range : forall k, (k < n)%nat -> -1 <= s k <= 1.
(* s q <= 1 - c (s - q) + c^2/2 at every place, for c the difference of the means. *)
Lemma covariance_upper : covariance n f s q <= 1 - (mean n f s * mean n f s + mean n f q * mean n f q) / 2.
Proof.
  set (c := mean n f s - mean n f q).
  assert (H : mean n f (fun k => s k * q k) <= mean n f (fun k => (1 + c * c / 2) + (- c * s k + c * q k))).
  { apply mean_le; auto. intros k Hk. pose proof (square_below _ (s_range k Hk)). pose proof (square_below _ (q_range k Hk)).
    assert (0 <= (s k - q k - c) * (s k - q k - c)) by apply Rle_0_sqr. lra. }
  rewrite mean_plus, mean_const, mean_plus, !mean_scale in H by auto.
  unfold covariance. unfold c in *. lra.
Qed.
End Weights.

Lemma covariance_opp : forall n f s q, covariance n f (fun k => - s k) q = - covariance n f s q.
Proof.
  intros. unfold covariance. rewrite (mean_ext n f (fun k => - s k * q k) (fun k => -1 * (s k * q k))) by (intros; ring).
  rewrite (mean_ext n f (fun k => - s k) (fun k => -1 * s k)) by (intros; ring). rewrite !mean_scale. ring.
Qed.
Lemma covariance_lower : forall n f s q, (forall k, (k < n)%nat -> 0 <= f k) -> sum n f = 1 ->
  (forall k, (k < n)%nat -> -1 <= q k <= 1) -> (forall k, (k < n)%nat -> -1 <= s k <= 1) ->
  - covariance n f s q <= 1 - (mean n f s * mean n f s + mean n f q * mean n f q) / 2.
Proof.
  intros n f s q F T Q S. rewrite <- covariance_opp. eapply Rle_trans; [apply covariance_upper; auto|].
  - intros k Hk. specialize (S k Hk). lra.
  - rewrite (mean_ext n f (fun k => - s k) (fun k => -1 * s k)) by (intros; ring). rewrite mean_scale. lra.
Qed.

(* The l1 norm is the largest pairing with signs. *)
Lemma centred_pairing : forall n f q (g : nat -> R) (q' : nat -> R) s,
  sum n (fun k => s k * (centred n g q' k - centred n f q k)) = covariance n g s q' - covariance n f s q.
Proof.
  intros. unfold centred, covariance.
  rewrite (sum_ext n _ (fun k => (g k * (s k * q' k) + - mean n g q' * (g k * s k)) + -1 * (f k * (s k * q k) + - mean n f q * (f k * s k))))
    by (intros; ring).
  rewrite sum_plus, sum_scale, !sum_plus, !sum_scale. unfold mean. ring.
Qed.
Lemma abs_is_pairing : forall n x, sum n (fun k => Rabs (x k)) = sum n (fun k => sign (x k) * x k).
Proof. intros. apply sum_ext. intros. symmetry. apply sign_abs. Qed.

Theorem centred_one : forall n f q, (forall k, (k < n)%nat -> 0 <= f k) -> sum n f = 1 -> (forall k, (k < n)%nat -> -1 <= q k <= 1) ->
  sum n (fun k => Rabs (centred n f q k)) <= 1.
Proof.
  intros n f q F T Q. rewrite abs_is_pairing. set (s := fun k => sign (centred n f q k)).
  rewrite (sum_ext n _ (fun k => s k * (centred n f q k - centred n (fun _ => 0) q k))) by (intros; unfold s, centred; ring).
  rewrite centred_pairing. assert (Z : forall x, mean n (fun _ => 0) x = 0).
  { intros. unfold mean. rewrite (sum_ext n _ (fun _ => 0)) by (intros; ring). apply sum_zero. }
  unfold covariance at 2. rewrite !Z. pose proof (covariance_upper n f s q F T Q ltac:(intros; apply sign_range)).
  assert (0 <= mean n f s * mean n f s) by apply Rle_0_sqr. assert (0 <= mean n f q * mean n f q) by apply Rle_0_sqr. lra.
Qed.

(* -- two mixtures of the same two rows, with shares p and p' of the first -- *)
Lemma two_groups : forall C1 C2 s1 s2 q1 q2 u, C1 <= 1 - (s1 * s1 + q1 * q1) / 2 -> - C2 <= 1 - (s2 * s2 + q2 * q2) / 2 ->
  0 <= u -> -1 <= s1 <= 1 -> -1 <= s2 <= 1 -> -1 <= q1 <= 1 -> -1 <= q2 <= 1 ->
  C1 - C2 + u * ((s1 - s2) * (q1 - q2)) <= Rmax 2 (4 * u).
Proof.
  intros C1 C2 s1 s2 q1 q2 u A B U S1 S2 Q1 Q2. set (S := s1 * s1 + q1 * q1 + s2 * s2 + q2 * q2).
  pose proof (square_below _ S1). pose proof (square_below _ S2). pose proof (square_below _ Q1). pose proof (square_below _ Q2).
  assert (D : (s1 - s2) * (q1 - q2) <= S).
  { assert (0 <= (s1 - s2 - (q1 - q2)) * (s1 - s2 - (q1 - q2))) by apply Rle_0_sqr.
    assert (0 <= (s1 + s2) * (s1 + s2)) by apply Rle_0_sqr. assert (0 <= (q1 + q2) * (q1 + q2)) by apply Rle_0_sqr. unfold S. lra. }
  assert (E : u * ((s1 - s2) * (q1 - q2)) <= u * S) by (apply Rmult_le_compat_l; auto).
  assert (0 <= s1 * s1) by apply Rle_0_sqr. assert (0 <= s2 * s2) by apply Rle_0_sqr.
  assert (0 <= q1 * q1) by apply Rle_0_sqr. assert (0 <= q2 * q2) by apply Rle_0_sqr.
  assert (P : 0 <= S <= 4) by (unfold S; lra). assert (L : C1 - C2 <= 2 - S / 2) by (unfold S; lra).
  destruct (Rle_dec u (1 / 2)).
  - eapply Rle_trans; [|apply Rmax_l]. assert (u * S <= 1 / 2 * S) by (apply Rmult_le_compat_r; lra). lra.
  - eapply Rle_trans; [|apply Rmax_r]. assert ((u - 1 / 2) * S <= (u - 1 / 2) * 4) by (apply Rmult_le_compat_l; lra). lra.
Qed.

(* X and Y are the shares of a row, (1 + eta) X and (1 - eta) Y those of the other one. *)
Section Shares.
Variables X Y eta : R.
Hypothesis X_pos : 0 < X.
Hypothesis Y_pos : 0 < Y.
Hypothesis eta_range : 0 < eta <= 1.
Let c := sqrt (1 - eta ^ 2).
Let t := eta / (1 + c).
Let p := X / (X + Y).
Let p' := (1 + eta) * X / ((1 + eta) * X + (1 - eta) * Y).
Let A := (1 + t) * X.
Let B := (1 - t) * Y.
Let D := (1 + t) * A + (1 - t) * B.
Let W := (X + Y) * D.

Lemma c_range : 0 <= c /\ c * c = 1 - eta ^ 2.
Proof. split; [apply sqrt_pos|apply sqrt_sqrt; nra]. Qed.
Lemma t_range : 0 < t <= 1.
Proof.
  destruct c_range. unfold t. split; [apply Rdiv_lt_0_compat; lra|].
  apply Rmult_le_reg_r with (1 + c); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.
Lemma double_angle : eta * (1 + t * t) = 2 * t.
Proof.
  destruct c_range as [C0 C1]. unfold t.
  assert (H : eta * ((1 + c) * (1 + c) + eta ^ 2) = 2 * eta * (1 + c)) by (replace (eta ^ 2) with (1 - c * c) by lra; ring).
  apply Rmult_eq_reg_r with ((1 + c) * (1 + c)); [|apply Rgt_not_eq; apply Rmult_lt_0_compat; lra].
  replace (eta * (1 + eta / (1 + c) * (eta / (1 + c))) * ((1 + c) * (1 + c))) with (eta * ((1 + c) * (1 + c) + eta ^ 2)) by (field; lra).
  rewrite H. field. lra.
Qed.
Lemma D_pos : 0 < D.
Proof.
  pose proof t_range. unfold D, A, B. apply Rplus_lt_le_0_compat.
  - apply Rmult_lt_0_compat; [lra|apply Rmult_lt_0_compat; lra].
  - apply Rmult_le_pos; [lra|apply Rmult_le_pos; lra].
Qed.
Lemma W_pos : 0 < W.
Proof. unfold W. apply Rmult_lt_0_compat; [lra|apply D_pos]. Qed.
Lemma W_is : W = (B - A) * (B - A) + 4 * X * Y.
Proof. unfold W, D, A, B. ring. Qed.
Lemma other_total : ((1 + eta) * X + (1 - eta) * Y) * (1 + t * t) = D.
Proof. pose proof double_angle. unfold D, A, B. replace ((1 + eta) * X + (1 - eta) * Y) with ((X + Y) + eta * (X - Y)) by ring. rewrite Rmult_plus_distr_r.
  replace (eta * (X - Y) * (1 + t * t)) with (eta * (1 + t * t) * (X - Y)) by ring. rewrite H. ring. Qed.
Lemma p'_is : p' = (1 + t) * A / D.
Proof.
  pose proof D_pos as P. pose proof other_total as O. pose proof double_angle as H.
  assert (T : 0 < 1 + t * t) by (pose proof t_range; nra).
  assert (N : 0 < (1 + eta) * X + (1 - eta) * Y).
  { apply Rmult_lt_reg_r with (1 + t * t); auto. rewrite O. lra. }
  unfold p'. apply Rmult_eq_reg_r with (((1 + eta) * X + (1 - eta) * Y) * D);
    [|apply Rgt_not_eq; apply Rmult_lt_0_compat; auto].
  replace ((1 + eta) * X / ((1 + eta) * X + (1 - eta) * Y) * (((1 + eta) * X + (1 - eta) * Y) * D)) with ((1 + eta) * X * D) by (field; lra).
  replace ((1 + t) * A / D * (((1 + eta) * X + (1 - eta) * Y) * D)) with ((1 + t) * A * ((1 + eta) * X + (1 - eta) * Y)) by (field; lra).
  rewrite <- O. unfold A.
  replace ((1 + eta) * X * (((1 + eta) * X + (1 - eta) * Y) * (1 + t * t))) with
    ((1 + t * t + eta * (1 + t * t)) * X * ((1 + eta) * X + (1 - eta) * Y)) by ring.
  rewrite H. ring.
Qed.
Lemma step_is : (p' - p) * W = 4 * t * X * Y.
Proof. rewrite p'_is. unfold p. pose proof D_pos. unfold W. field_simplify; [|lra]. unfold D, A, B. ring. Qed.
Lemma rest_is : (1 - p - p') * W = (B - A) * (B + A).
Proof. rewrite p'_is. unfold p. pose proof D_pos. unfold W. field_simplify; [|lra]. unfold D, A, B. ring. Qed.
Lemma step_pos : 0 <= p' - p.
Proof.
  apply Rmult_le_reg_r with W; [apply W_pos|]. rewrite Rmult_0_l, step_is. pose proof t_range.
  assert (0 <= t * (X * Y)) by (apply Rmult_le_pos; [lra|apply Rmult_le_pos; lra]). lra.
Qed.
Lemma step_small : p' - p <= t.
Proof.
  apply Rmult_le_reg_r with W; [apply W_pos|]. rewrite step_is, W_is. pose proof t_range.
  assert (0 <= t * ((B - A) * (B - A))) by (apply Rmult_le_pos; [lra|apply Rle_0_sqr]). lra.
Qed.
Lemma step_rest : forall e, e = 1 \/ e = -1 -> 2 * (p' - p) * (e * (1 - p - p')) <= t.
Proof.
  intros e E. pose proof W_pos. pose proof t_range.
  apply Rmult_le_reg_r with (W * W); [apply Rmult_lt_0_compat; auto|].
  replace (2 * (p' - p) * (e * (1 - p - p')) * (W * W)) with (2 * e * ((p' - p) * W) * ((1 - p - p') * W)) by ring.
  rewrite step_is, rest_is. set (z := 4 * X * Y). assert (z_pos : 0 <= z) by (unfold z; apply Rmult_le_pos; [apply Rmult_le_pos|]; lra).
  replace (2 * e * (4 * t * X * Y) * ((B - A) * (B + A))) with (t * (2 * z * (e * (B - A)) * (B + A))) by (unfold z; ring).
  apply Rmult_le_compat_l; [lra|]. rewrite W_is. fold z. set (d := e * (B - A)).
  assert (dd : (B - A) * (B - A) = d * d) by (unfold d; destruct E as [->| ->]; ring). rewrite dd.
  assert (AB : 4 * (A * B) = z * (1 - t * t)) by (unfold A, B, z; ring).
  assert (ss : (B + A) * (B + A) = d * d + z * (1 - t * t)) by (rewrite <- dd, <- AB; ring).
  set (s := B + A) in *.
  assert (0 <= z * ((d - s) * (d - s))) by (apply Rmult_le_pos; [auto|apply Rle_0_sqr]).
  assert (0 <= (d * d) * (d * d)) by apply Rle_0_sqr. assert (0 <= z * z * (t * t)) by (apply Rmult_le_pos; apply Rle_0_sqr).
  assert (I : (d * d + z) * (d * d + z) - 2 * z * d * s = (d * d) * (d * d) + z * (d * d + z) + z * (d - s) * (d - s) - z * (s * s)) by ring.
  rewrite ss in I. lra.
Qed.
End Shares.

(* -- a whole row -- *)
Lemma mixture_mean : forall n (x y f : nat -> R) p v, (forall k, (k < n)%nat -> f k = p * x k + (1 - p) * y k) ->
  mean n f v = p * mean n x v + (1 - p) * mean n y v.
Proof.
  intros. unfold mean. rewrite (sum_ext n _ (fun k => p * (x k * v k) + (1 - p) * (y k * v k))).
  - rewrite sum_plus, !sum_scale. reflexivity.
  - intros. rewrite H by auto. ring.
Qed.
Lemma scaled_total : forall n x X, 0 < X -> sum n x = X -> sum n (fun k => x k / X) = 1.
Proof. intros. rewrite (sum_ext n _ (fun k => / X * x k)) by (intros; unfold Rdiv; ring). rewrite sum_scale, H0. apply Rinv_l. lra. Qed.
Lemma scaled_pos : forall n (x : nat -> R) X, 0 < X -> (forall k, (k < n)%nat -> 0 <= x k) -> forall k, (k < n)%nat -> 0 <= x k / X.
Proof. intros. apply Rmult_le_pos; [auto|left; apply Rinv_0_lt_compat; auto]. Qed.
Lemma centred_ext : forall n f g q, (forall k, (k < n)%nat -> f k = g k) -> forall k, (k < n)%nat -> centred n f q k = centred n g q k.
Proof. intros. unfold centred, mean. rewrite H by auto. do 2 f_equal. apply sum_ext. intros. rewrite H; auto. Qed.
Lemma same_rows : forall n f g q b, 0 <= b -> (forall k, (k < n)%nat -> f k = g k) ->
  sum n (fun k => Rabs (centred n f q k - centred n g q k)) <= b.
Proof.
  intros. rewrite (sum_ext n _ (fun _ => 0)), sum_zero; auto. intros. rewrite (centred_ext n f g) by auto.
  unfold Rminus. rewrite Rplus_opp_r. apply Rabs_R0.
Qed.
Lemma vanishing : forall n (x : nat -> R), (forall k, (k < n)%nat -> 0 <= x k) -> sum n x = 0 -> forall k, (k < n)%nat -> x k = 0.
Proof. intros n x P Z k Hk. pose proof (sum_member n x k P Hk). specialize (P k Hk). lra. Qed.

Section Row.
Variable n : nat.
Variables a a' q : nat -> R.
Variable eta : R.
Hypothesis a_pos : forall k, (k < n)%nat -> 0 <= a k.
Hypothesis near : forall k, (k < n)%nat -> (1 - eta) * a k <= a' k <= (1 + eta) * a k.
Hypothesis eta_range : 0 <= eta <= 1.
Hypothesis total_pos : 0 < sum n a.
Hypothesis q_range : forall k, (k < n)%nat -> -1 <= q k <= 1.
Let f k := a k / sum n a.
Let f' k := a' k / sum n a'.
Let eps := 2 * (eta / (1 + sqrt (1 - eta ^ 2))).
Let x k := a' k - (1 - eta) * a k.
Let y k := (1 + eta) * a k - a' k.
Let X := sum n x.
Let Y := sum n y.

Lemma eps_nonneg : 0 <= eps.
Proof.
  unfold eps. pose proof (sqrt_pos (1 - eta ^ 2)). apply Rmult_le_pos; [lra|].
  apply Rmult_le_pos; [lra|left; apply Rinv_0_lt_compat; lra].
Qed.
Lemma X_is : X = sum n a' - (1 - eta) * sum n a.
Proof. unfold X, x. rewrite (sum_ext n _ (fun k => a' k + - (1 - eta) * a k)) by (intros; ring). rewrite sum_plus, sum_scale. ring. Qed.
Lemma Y_is : Y = (1 + eta) * sum n a - sum n a'.
Proof. unfold Y, y. rewrite (sum_ext n _ (fun k => (1 + eta) * a k + -1 * a' k)) by (intros; ring). rewrite sum_plus, !sum_scale. ring. Qed.
Lemma x_pos : forall k, (k < n)%nat -> 0 <= x k.
Proof. intros k Hk. specialize (near k Hk). unfold x. lra. Qed.
Lemma y_pos : forall k, (k < n)%nat -> 0 <= y k.
Proof. intros k Hk. specialize (near k Hk). unfold y. lra. Qed.

Theorem centred_change : sum n (fun k => Rabs (centred n f' q k - centred n f q k)) <= eps.
Proof.
  pose proof eps_nonneg as E0.
  assert (F : forall k, (k < n)%nat -> 0 <= f k) by (apply scaled_pos; auto).
  assert (FT : sum n f = 1) by (apply scaled_total; auto).
  destruct (total'_cases n a a' eta a_pos near eta_range total_pos) as [P|[E Z]].
  2: { rewrite (sum_ext n _ (fun k => Rabs (centred n f q k))).
    - eapply Rle_trans; [apply (centred_one n f q F FT q_range)|]. unfold eps. rewrite E. replace (1 - 1 ^ 2) with 0 by ring. rewrite sqrt_0. lra.
    - intros k Hk. rewrite (centred_ext n f' (fun _ => 0)) by (auto; intros j Hj; unfold f'; rewrite Z by auto; unfold Rdiv; ring).
      unfold centred at 1. rewrite Rmult_0_l, Rmult_0_r, !Rminus_0_l, Ropp_0, ?Rminus_0_l, ?Rplus_0_l. rewrite ?Rabs_Ropp. reflexivity. }
  assert (XP : 0 <= X) by (apply sum_nonneg; apply x_pos). assert (YP : 0 <= Y) by (apply sum_nonneg; apply y_pos).
  destruct (Req_dec eta 0) as [Z|NZ].
  { apply same_rows; auto. intros k Hk. assert (H : forall j, (j < n)%nat -> a' j = a j) by (intros j Hj; specialize (near j Hj); rewrite Z in near; lra).
    unfold f', f. rewrite (sum_ext n a' a H), H; auto. }
  pose proof X_is as XI. pose proof Y_is as YI.
  destruct (Req_dec X 0) as [XZ|XN].
  { assert (H : forall j, (j < n)%nat -> a' j = (1 - eta) * a j).
    { intros j Hj. pose proof (vanishing n x x_pos XZ j Hj) as V. unfold x in V. lra. }
    assert (T : sum n a' = (1 - eta) * sum n a) by lra. assert (1 - eta <> 0) by (intro C; rewrite C in T; lra).
    apply same_rows; auto. intros k Hk. unfold f', f. rewrite T, H by auto. field. split; lra. }
  destruct (Req_dec Y 0) as [YZ|YN].
  { assert (H : forall j, (j < n)%nat -> a' j = (1 + eta) * a j).
    { intros j Hj. pose proof (vanishing n y y_pos YZ j Hj) as V. unfold y in V. lra. }
    assert (T : sum n a' = (1 + eta) * sum n a) by lra.
    apply same_rows; auto. intros k Hk. unfold f', f. rewrite T, H by auto. field. split; lra. }
  assert (X0 : 0 < X) by lra. assert (Y0 : 0 < Y) by lra. assert (R0 : 0 < eta <= 1) by lra.
  set (u := fun k => x k / X). set (v := fun k => y k / Y). set (p := X / (X + Y)).
  set (p' := (1 + eta) * X / ((1 + eta) * X + (1 - eta) * Y)).
  assert (U : forall k, (k < n)%nat -> 0 <= u k) by (apply scaled_pos; auto using x_pos).
  assert (V : forall k, (k < n)%nat -> 0 <= v k) by (apply scaled_pos; auto using y_pos).
  assert (UT : sum n u = 1) by (apply scaled_total; auto). assert (VT : sum n v = 1) by (apply scaled_total; auto).
  assert (TA : sum n a = (X + Y) / (2 * eta)) by (rewrite XI, YI; field; lra).
  assert (TA' : sum n a' = ((1 + eta) * X + (1 - eta) * Y) / (2 * eta)) by (rewrite XI, YI; field; lra).
  assert (N : 0 < (1 + eta) * X + (1 - eta) * Y).
  { assert (0 < (1 + eta) * X) by (apply Rmult_lt_0_compat; lra). assert (0 <= (1 - eta) * Y) by (apply Rmult_le_pos; lra). lra. }
  assert (MF : forall k, (k < n)%nat -> f k = p * u k + (1 - p) * v k).
  { intros. unfold f, p, u, v. rewrite TA. unfold x, y. field. repeat split; lra. }
  assert (MF' : forall k, (k < n)%nat -> f' k = p' * u k + (1 - p') * v k).
  { intros. unfold f', p', u, v. rewrite TA'. unfold x, y. field. repeat split; lra. }
  set (s := fun k => sign (centred n f' q k - centred n f q k)).
  rewrite (sum_ext n _ (fun k => s k * (centred n f' q k - centred n f q k))) by (intros; symmetry; apply sign_abs).
  rewrite (centred_pairing n f q f' q s). unfold covariance. rewrite !(mixture_mean n u v f p) by auto. rewrite !(mixture_mean n u v f' p') by auto.
  assert (S : forall k, (k < n)%nat -> -1 <= s k <= 1) by (intros; apply sign_range).
  pose proof (covariance_upper n u s q U UT q_range S) as C1u. pose proof (covariance_lower n u s q U UT q_range S) as C1l.
  pose proof (covariance_upper n v s q V VT q_range S) as C2u. pose proof (covariance_lower n v s q V VT q_range S) as C2l.
  pose proof (mean_range n u s U UT S). pose proof (mean_range n u q U UT q_range).
  pose proof (mean_range n v s V VT S). pose proof (mean_range n v q V VT q_range).
  unfold covariance in *.
  set (T1 := mean n u (fun k => s k * q k)) in *. set (T2 := mean n v (fun k => s k * q k)) in *.
  set (s1 := mean n u s) in *. set (s2 := mean n v s) in *. set (q1 := mean n u q) in *. set (q2 := mean n v q) in *.
  replace (p' * T1 + (1 - p') * T2 - (p' * s1 + (1 - p') * s2) * (p' * q1 + (1 - p') * q2) -
    (p * T1 + (1 - p) * T2 - (p * s1 + (1 - p) * s2) * (p * q1 + (1 - p) * q2))) with
    ((p' - p) * ((T1 - s1 * q1) - (T2 - s2 * q2) + (1 - p - p') * ((s1 - s2) * (q1 - q2)))) by ring.
  pose proof (step_pos X Y eta X0 Y0 R0) as G0. pose proof (step_small X Y eta X0 Y0 R0) as G1.
  pose proof (step_rest X Y eta X0 Y0 R0) as G2. fold p p' in G0, G1, G2.
  set (t := eta / (1 + sqrt (1 - eta ^ 2))) in *. unfold eps.
  assert (K : forall e C, (e = 1 \/ e = -1) -> C <= Rmax 2 (4 * (e * (1 - p - p'))) -> (p' - p) * C <= 2 * t).
  { intros e C He HC. specialize (G2 e He). eapply Rle_trans; [apply Rmult_le_compat_l; [exact G0|exact HC]|].
    unfold Rmax. destruct (Rle_dec 2 (4 * (e * (1 - p - p')))); lra. }
  destruct (Rle_dec 0 (1 - p - p')) as [up|down].
  - apply (K 1); [auto|]. rewrite Rmult_1_l. apply two_groups; auto; lra.
  - apply (K (-1)); [auto|].
    replace (T1 - s1 * q1 - (T2 - s2 * q2) + (1 - p - p') * ((s1 - s2) * (q1 - q2))) with
      (- (T2 - s2 * q2) - - (T1 - s1 * q1) + -1 * (1 - p - p') * ((- s2 - - s1) * (q2 - q1))) by ring.
    apply two_groups; try lra.
Qed.
End Row.

(* -- values of any size, as rows of products G V^T -- *)
Lemma centred_scaled : forall n f q c, 0 < c -> forall k, c * centred n f (fun j => q j / c) k = centred n f q k.
Proof.
  intros. unfold centred. rewrite (mean_ext n f (fun j => q j / c) (fun j => / c * q j)) by (intros; unfold Rdiv; ring).
  rewrite mean_scale. field. lra.
Qed.
Lemma scaled_range : forall c x, 0 < c -> Rabs x <= c -> -1 <= x / c <= 1.
Proof.
  intros c x C H. assert (c * (x / c) = x) by (field; lra). apply Rabs_le_between in H.
  split; apply Rmult_le_reg_l with c; lra.
Qed.
Lemma centred_of_zero : forall n f q, (forall k, (k < n)%nat -> q k = 0) -> forall k, (k < n)%nat -> centred n f q k = 0.
Proof.
  intros. unfold centred. rewrite (mean_ext n f q (fun _ => 0 * 0)) by (intros; rewrite H; auto; ring).
  rewrite mean_scale, H by auto. ring.
Qed.

Theorem size_of_rows : forall n (a q : nat -> R) M, (forall k, (k < n)%nat -> 0 <= a k) -> 0 < sum n a ->
  (forall k, (k < n)%nat -> Rabs (q k) <= M) -> 0 <= M -> sum n (fun k => Rabs (centred n (fun k => a k / sum n a) q k)) <= M.
Proof.
  intros n a q M a_pos total_pos q_range M_pos. destruct M_pos as [P|Z].
  - rewrite (sum_ext n _ (fun k => M * Rabs (centred n (fun k => a k / sum n a) (fun j => q j / M) k))).
    + rewrite sum_scale. apply Rle_trans with (M * 1); [apply Rmult_le_compat_l; [lra|]|lra].
      apply centred_one; [apply scaled_pos; auto|apply scaled_total; auto|intros; apply scaled_range; auto].
    + intros k Hk. rewrite <- (centred_scaled n (fun k => a k / sum n a) q M P k), Rabs_mult, (Rabs_pos_eq M) by lra. reflexivity.
  - rewrite (sum_ext n _ (fun _ => 0)), sum_zero; [lra|]. intros k Hk. rewrite centred_of_zero, Rabs_R0; auto.
    intros j Hj. specialize (q_range j Hj). rewrite <- Z in q_range. pose proof (Rabs_pos (q j)). destruct (Req_dec (q j) 0) as [|N]; [auto|].
    pose proof (Rabs_pos_lt _ N). lra.
Qed.
Section AnySize.
Variable n : nat.
Variables a a' q : nat -> R.
Variables eta M : R.
Hypothesis a_pos : forall k, (k < n)%nat -> 0 <= a k.
Hypothesis total_pos : 0 < sum n a.
Hypothesis q_range : forall k, (k < n)%nat -> Rabs (q k) <= M.
Hypothesis M_pos : 0 <= M.
Let f k := a k / sum n a.
Let f' k := a' k / sum n a'.


Hypothesis near : forall k, (k < n)%nat -> (1 - eta) * a k <= a' k <= (1 + eta) * a k.
Hypothesis eta_range : 0 <= eta <= 1.
Theorem centred_error : sum n (fun k => Rabs (centred n f' q k - centred n f q k)) <= 2 * (eta / (1 + sqrt (1 - eta ^ 2))) * M.
Proof.
  destruct M_pos as [P|Z].
  - rewrite (sum_ext n _ (fun k => M * Rabs (centred n f' (fun j => q j / M) k - centred n f (fun j => q j / M) k))).
    + rewrite sum_scale, (Rmult_comm _ M). apply Rmult_le_compat_l; [lra|].
      apply centred_change; auto. intros; apply scaled_range; auto.
    + intros k Hk. rewrite <- (centred_scaled n f q M P k), <- (centred_scaled n f' q M P k), <- Rmult_minus_distr_l, Rabs_mult, (Rabs_pos_eq M) by lra.
      reflexivity.
  - assert (V : forall j, (j < n)%nat -> q j = 0).
    { intros j Hj. specialize (q_range j Hj). rewrite <- Z in q_range. destruct (Req_dec (q j) 0) as [|N]; [auto|].
      pose proof (Rabs_pos_lt _ N). lra. }
    rewrite (sum_ext n _ (fun _ => 0)), sum_zero; [rewrite <- Z; lra|]. intros k Hk. rewrite !centred_of_zero by auto.
    rewrite Rminus_0_r. apply Rabs_R0.
Qed.
Theorem centred_size_error : sum n (fun k => Rabs (centred n f' q k)) <= M.
Proof.
  destruct (total'_cases n a a' eta a_pos near eta_range total_pos) as [P|[E Z]].
  - unfold f'. apply size_of_rows; auto. intros. apply (a'_nonneg n a a' eta); auto.
  - rewrite (sum_ext n _ (fun _ => 0)), sum_zero; auto. intros k Hk.
    rewrite (centred_ext n f' (fun _ => 0)) by (auto; intros j Hj; unfold f'; rewrite Z by auto; unfold Rdiv; ring).
    unfold centred. rewrite !Rmult_0_l, Rmult_0_r, Rminus_0_r. apply Rabs_R0.
Qed.
End AnySize.
