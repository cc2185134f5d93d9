From Coq Require Import Reals Lra Lia Bool Arith Psatz.
From Coquelicot Require Import Coquelicot.
From Almostlinear Require Import Sums Taylor Rows.
Open Scope R_scope.

(* eta / (1 + sqrt(1 - eta^2)) for eta = tanh(osc/2) is tanh(osc/4); r = e^{osc/4}. *)
Lemma half_angle : forall r, 1 <= r -> let eta := (r ^ 4 - 1) / (r ^ 4 + 1) in
  eta / (1 + sqrt (1 - eta ^ 2)) = (r ^ 2 - 1) / (r ^ 2 + 1).
Proof.
  intros r Hr eta. assert (0 < r ^ 4) by (apply pow_lt; lra). assert (0 < r ^ 2) by (apply pow_lt; lra).
  replace (1 - eta ^ 2) with ((2 * r ^ 2 / (r ^ 4 + 1)) * (2 * r ^ 2 / (r ^ 4 + 1))) by (unfold eta; field; lra).
  rewrite sqrt_square; [|apply Rmult_le_pos; [lra|left; apply Rinv_0_lt_compat; lra]].
  unfold eta. field. repeat split; nra.
Qed.
Lemma tanh_exp : forall y, tanh y = (exp y ^ 2 - 1) / (exp y ^ 2 + 1).
Proof.
  intros. unfold tanh, sinh, cosh. rewrite exp_Ropp. pose proof (exp_pos y). field.
  repeat split; try lra; nra.
Qed.

Lemma exp_quotient : forall x u, x <= u -> exp x <= exp u.
Proof. intros x u H. destruct H; [left; apply exp_increasing; auto|subst; lra]. Qed.

Theorem softmax_l1 : forall n z w, (0 < n)%nat ->
  sum n (fun k => Rabs (exp (z k) / sum n (fun j => exp (z j)) - exp (w k) / sum n (fun j => exp (w j)))) <=
  2 * tanh ((largest n (fun k => z k - w k) + largest n (fun k => w k - z k)) / 4).
Proof.
  intros n z w Hn. set (up := largest n (fun k => z k - w k)). set (down := largest n (fun k => w k - z k)).
  assert (U : forall k, (k < n)%nat -> z k - w k <= up) by (intros; apply (largest_ge n (fun k => z k - w k)); auto).
  assert (V : forall k, (k < n)%nat -> w k - z k <= down) by (intros; apply (largest_ge n (fun k => w k - z k)); auto).
  assert (UV : 0 <= up + down) by (specialize (U 0%nat Hn); specialize (V 0%nat Hn); lra).
  set (r := exp ((up + down) / 4)).
  assert (R1 : 1 <= r) by (unfold r; rewrite <- exp_0; apply exp_quotient; lra).
  set (l := exp (- down)). assert (L0 : 0 < l) by apply exp_pos.
  assert (H : exp up = r ^ 4 * l).
  { unfold r, l. simpl. rewrite Rmult_1_r, <- !exp_plus. f_equal. field. }
  assert (R4 : 1 <= r ^ 4) by (apply pow_R1_Rle; auto).
  assert (S0 : 0 < r ^ 4 * l + l) by nra.
  set (C := (r ^ 4 * l + l) / 2). assert (C0 : 0 < C) by (unfold C; lra).
  set (eta := (r ^ 4 - 1) / (r ^ 4 + 1)).
  assert (E0 : 0 <= eta <= 1).
  { unfold eta. split; [apply Rmult_le_pos; [lra|left; apply Rinv_0_lt_compat; lra]|].
    apply Rmult_le_reg_r with (r ^ 4 + 1); [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
  assert (W : 0 < sum n (fun k => exp (w k))).
  { apply Rlt_le_trans with (exp (w 0%nat)); [apply exp_pos|].
    apply (sum_member n (fun k => exp (w k)) 0%nat); auto. intros; left; apply exp_pos. }
  assert (Z : 0 < sum n (fun k => exp (z k))).
  { apply Rlt_le_trans with (exp (z 0%nat)); [apply exp_pos|].
    apply (sum_member n (fun k => exp (z k)) 0%nat); auto. intros; left; apply exp_pos. }
  pose proof (row_l1 n (fun k => exp (w k)) (fun k => / C * exp (z k)) eta) as K. cbv beta in K.
  rewrite tanh_exp. fold r. unfold eta in K. rewrite half_angle in K by auto. fold eta in K.
  assert (near : forall k, (k < n)%nat -> (1 - eta) * exp (w k) <= / C * exp (z k) <= (1 + eta) * exp (w k)).
  { intros k Hk. specialize (U k Hk). specialize (V k Hk).
    replace (1 - eta) with (/ C * l) by (unfold eta, C; field; lra).
    replace (1 + eta) with (/ C * exp up) by (rewrite H; unfold eta, C; field; lra).
    rewrite !Rmult_assoc. unfold l. rewrite <- !exp_plus.
    assert (0 <= / C) by (left; apply Rinv_0_lt_compat; auto).
    split; apply Rmult_le_compat_l; auto; apply exp_quotient; lra. }
  eapply Rle_trans; [|apply K; auto; intros; left; apply exp_pos].
  right. apply sum_ext. intros k Hk. rewrite sum_scale. do 2 f_equal. field. lra.
Qed.

Theorem tanh_below : forall y, 0 <= y -> tanh y <= y.
Proof.
  intros y Hy. assert (H : 0 * (exp 0 + exp (- 0)) - (exp 0 - exp (- 0)) <= y * (exp y + exp (- y)) - (exp y - exp (- y))).
  { apply (from_zero (fun u => u * (exp u + exp (- u)) - (exp u - exp (- u))) (fun u => u * (exp u - exp (- u)))); auto.
    - intros. auto_derive; auto; ring.
    - intros. apply Rmult_le_pos; [auto|]. pose proof (exp_opp_le x H). lra. }
  rewrite Ropp_0, exp_0 in H. pose proof (exp_pos y). pose proof (exp_pos (- y)).
  unfold tanh, sinh, cosh. apply Rmult_le_reg_r with ((exp y + exp (- y)) / 2); [lra|].
  replace ((exp y - exp (- y)) / 2 / ((exp y + exp (- y)) / 2) * ((exp y + exp (- y)) / 2)) with ((exp y - exp (- y)) / 2) by (field; lra).
  lra.
Qed.
