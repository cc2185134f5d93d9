From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
Open Scope R_scope.

(* T g x is the Taylor polynomial of exp of degree g; J g b = int_0^b v^g e^v / g! dv. *)
Fixpoint T (g : nat) (x : R) : R :=
  match g with O => 1 | S k => T k x + x ^ S k / INR (fact (S k)) end.
Definition J (g : nat) (b : R) : R := RInt (fun v => v ^ g * exp v / INR (fact g)) 0 b.

Lemma fact_pos : forall n, 0 < INR (fact n).
Proof. intros. apply lt_0_INR, lt_O_fact. Qed.
Lemma fact_neq : forall n, INR (fact n) <> 0.
Proof. intros. apply Rgt_not_eq, fact_pos. Qed.
Lemma fact_S : forall n, INR (fact (S n)) = (INR n + 1) * INR (fact n).
Proof. intros. rewrite fact_simpl, mult_INR, S_INR. reflexivity. Qed.

(* A function with a nonnegative derivative on [0, oo) is at least its value at 0. *)
Lemma from_zero : forall (f df : R -> R), (forall x, 0 <= x -> is_derive f x (df x)) -> (forall x, 0 <= x -> 0 <= df x) ->
  forall v, 0 <= v -> f 0 <= f v.
Proof.
  intros f df D P v Hv. destruct (MVT_gen f 0 v df) as [c [[C1 C2] E]].
  - intros x [H1 H2]. apply D. rewrite Rmin_left in H1; lra.
  - intros x [H1 H2]. rewrite Rmin_left in H1; [|lra]. apply continuity_pt_filterlim.
    apply (ex_derive_continuous (V := R_NormedModule)). eexists. apply D. lra.
  - rewrite Rmin_left in C1; [|lra]. assert (0 <= df c) by (apply P; lra).
    assert (0 <= df c * (v - 0)) by (apply Rmult_le_pos; lra). lra.
Qed.

(* -- derivatives -- *)
Lemma T_derive : forall g x, is_derive (T (S g)) x (T g x).
Proof.
  induction g; intros x.
  - simpl. auto_derive; auto. field.
  - change (is_derive (fun y => T (S g) y + y ^ S (S g) / INR (fact (S (S g)))) x (T (S g) x)).
    apply (is_derive_plus (T (S g)) (fun y => y ^ S (S g) / INR (fact (S (S g)))) x (T g x) (x ^ S g / INR (fact (S g)))); [apply IHg|].
    apply (is_derive_ext (fun y => / INR (fact (S (S g))) * y ^ S (S g))); [intros; unfold Rdiv; apply Rmult_comm|].
    replace (x ^ S g / INR (fact (S g))) with (/ INR (fact (S (S g))) * (INR (S (S g)) * 1 * x ^ S g)).
    + apply is_derive_scal. apply (is_derive_pow (fun y => y) (S (S g)) x 1). apply (is_derive_id (K := R_AbsRing)).
    + rewrite (fact_S (S g)), (S_INR (S g)). field. split; [apply fact_neq|]. pose proof (pos_INR (S g)). lra.
Qed.

Lemma T_as_difference : forall g x, is_derive (T g) x (T g x - x ^ g / INR (fact g)).
Proof.
  intros [|g] x; [simpl; auto_derive; auto; field|].
  replace (T (S g) x - x ^ S g / INR (fact (S g))) with (T g x) by (simpl; ring). apply T_derive.
Qed.

(* The derivative of T_g(x) e^{-x} is -x^g e^{-x} / g!. *)
Lemma relative_derive : forall g x, is_derive (fun y => T g y * exp (- y)) x (- (x ^ g * exp (- x) / INR (fact g))).
Proof.
  intros. replace (- (x ^ g * exp (- x) / INR (fact g))) with
    ((T g x - x ^ g / INR (fact g)) * exp (- x) + T g x * (- exp (- x))) by (field; apply fact_neq).
  apply (is_derive_mult (T g) (fun y => exp (- y)) x (T g x - x ^ g / INR (fact g)) (- exp (- x)));
    [apply T_as_difference | auto_derive; auto; ring | intros; apply Rmult_comm].
Qed.

Lemma J_derive : forall g b, is_derive (J g) b (b ^ g * exp b / INR (fact g)).
Proof.
  intros. unfold J. apply (is_derive_RInt (V := R_CompleteNormedModule) (fun v => v ^ g * exp v / INR (fact g)) _ 0 b).
  - exists (mkposreal 1 Rlt_0_1). intros y _. apply (RInt_correct (V := R_CompleteNormedModule)).
    apply (ex_RInt_continuous (V := R_CompleteNormedModule)). intros z _.
    apply (ex_derive_continuous (V := R_NormedModule)). auto_derive; auto.
  - apply (ex_derive_continuous (V := R_NormedModule)). auto_derive; auto.
Qed.

Lemma J_zero : forall g, J g 0 = 0.
Proof. intros. unfold J. rewrite RInt_point. reflexivity. Qed.

Lemma T_zero : forall g, T g 0 = 1.
Proof. induction g; simpl; [reflexivity|]. rewrite IHg. field. apply (fact_neq (S g)). Qed.

Lemma term_nonneg : forall g v, 0 <= v -> 0 <= v ^ g / INR (fact g).
Proof. intros. apply Rmult_le_pos; [apply pow_le; auto|left; apply Rinv_0_lt_compat, fact_pos]. Qed.
Lemma integrand_nonneg : forall g v, 0 <= v -> 0 <= v ^ g * exp v / INR (fact g).
Proof.
  intros. replace (v ^ g * exp v / INR (fact g)) with (v ^ g / INR (fact g) * exp v) by (field; apply fact_neq).
  apply Rmult_le_pos; [apply term_nonneg; auto|left; apply exp_pos].
Qed.

Lemma J_increasing : forall g a b, 0 <= a <= b -> J g a <= J g b.
Proof.
  intros g a b [Ha Hb]. assert (H : J g (0 + a) <= J g ((b - a) + a)).
  { apply (from_zero (fun v => J g (v + a)) (fun v => (v + a) ^ g * exp (v + a) / INR (fact g))); try lra.
    - intros x Hx. replace ((x + a) ^ g * exp (x + a) / INR (fact g)) with (1 * ((x + a) ^ g * exp (x + a) / INR (fact g))) by ring.
      apply (is_derive_comp (J g) (fun v => v + a)); [apply J_derive|auto_derive; auto; ring].
    - intros x Hx. apply integrand_nonneg. lra. }
  rewrite Rplus_0_l in H. replace (b - a + a) with b in H by ring. exact H.
Qed.
Lemma J_nonneg : forall g b, 0 <= b -> 0 <= J g b.
Proof. intros. rewrite <- (J_zero g). apply J_increasing. lra. Qed.

Lemma T_nonneg : forall g v, 0 <= v -> 0 <= T g v.
Proof. induction g; intros; simpl; [lra|]. apply Rplus_le_le_0_compat; [auto|apply (term_nonneg (S g)); auto]. Qed.

(* -- T.1: relative and absolute error -- *)
Lemma sign_pow : forall g, (-1) ^ g = 1 \/ (-1) ^ g = -1.
Proof. induction g; simpl; [left; reflexivity|]. destruct IHg as [->| ->]; [right|left]; ring. Qed.
Lemma pow_opp : forall v g, (- v) ^ g = (-1) ^ g * v ^ g.
Proof. intros. replace (- v) with (-1 * v) by ring. apply Rpow_mult_distr. Qed.

(* d/dv [T_g(-v) e^v] = (-1)^g v^g e^v / g!  *)
Lemma mirrored_derive : forall g v, is_derive (fun y => T g (- y) * exp y) v ((-1) ^ g * (v ^ g * exp v / INR (fact g))).
Proof.
  intros. apply (is_derive_ext (fun y => (fun u => T g u * exp (- u)) (- y))).
  { intros t. simpl. rewrite Ropp_involutive. reflexivity. }
  replace ((-1) ^ g * (v ^ g * exp v / INR (fact g))) with (-1 * (- ((- v) ^ g * exp (- - v) / INR (fact g)))).
  - apply (is_derive_comp (fun u => T g u * exp (- u)) (fun y => - y)); [apply relative_derive|auto_derive; auto; ring].
  - rewrite Ropp_involutive, pow_opp. unfold Rdiv. ring.
Qed.

Ltac combine := apply (is_derive_plus (K := R_AbsRing) (V := R_NormedModule)).

(* A function f with f' = c v^g/g! e^v or the like is compared with J. *)
Lemma below_J : forall (f df : R -> R) g, f 0 <= 0 -> (forall v, 0 <= v -> is_derive f v (df v)) ->
  (forall v, 0 <= v -> df v <= v ^ g * exp v / INR (fact g)) -> forall v, 0 <= v -> f v <= J g v.
Proof.
  intros f df g H0 D L v Hv.
  assert (H : J g 0 - f 0 <= J g v - f v).
  { apply (from_zero (fun u => J g u - f u) (fun u => u ^ g * exp u / INR (fact g) - df u)); auto.
    - intros x Hx. apply (is_derive_minus (J g) f); [apply J_derive|auto].
    - intros x Hx. specialize (L x Hx). lra. }
  rewrite J_zero in H. lra.
Qed.

Lemma exp_opp_le : forall v, 0 <= v -> exp (- v) <= exp v.
Proof. intros. destruct H; [left; apply exp_increasing; lra|subst; rewrite Ropp_0; lra]. Qed.

Lemma relative_at : forall g v, 0 <= v -> Rabs (T g v * exp (- v) - 1) <= J g v /\ Rabs (T g (- v) * exp v - 1) <= J g v.
Proof.
  intros g v Hv. split; apply Rabs_le; split.
  - assert (1 - T g v * exp (- v) <= J g v); [|lra].
    apply (below_J (fun u => 1 - T g u * exp (- u)) (fun u => u ^ g * exp (- u) / INR (fact g))); auto.
    + rewrite T_zero, Ropp_0, exp_0. lra.
    + intros u _. replace (u ^ g * exp (- u) / INR (fact g)) with (0 - - (u ^ g * exp (- u) / INR (fact g))) by ring.
      apply (is_derive_minus (fun _ => 1)); [apply (is_derive_const (K := R_AbsRing) (V := R_NormedModule))|apply relative_derive].
    + intros u Hu. unfold Rdiv. apply Rmult_le_compat_r; [left; apply Rinv_0_lt_compat, fact_pos|].
      apply Rmult_le_compat_l; [apply pow_le; auto|apply exp_opp_le; auto].
  - apply (below_J (fun u => T g u * exp (- u) - 1) (fun u => - (u ^ g * exp (- u) / INR (fact g)))); auto.
    + rewrite T_zero, Ropp_0, exp_0. lra.
    + intros u _. replace (- (u ^ g * exp (- u) / INR (fact g))) with (- (u ^ g * exp (- u) / INR (fact g)) - 0) by ring.
      apply (is_derive_minus _ (fun _ => 1)); [apply relative_derive|apply (is_derive_const (K := R_AbsRing) (V := R_NormedModule))].
    + intros u Hu. apply Rle_trans with 0; [|apply integrand_nonneg; auto].
      assert (0 <= u ^ g / INR (fact g) * exp (- u)) by (apply Rmult_le_pos; [apply term_nonneg; auto|left; apply exp_pos]).
      unfold Rdiv in *. lra.
  - assert (1 - T g (- v) * exp v <= J g v); [|lra].
    apply (below_J (fun u => 1 - T g (- u) * exp u) (fun u => - ((-1) ^ g * (u ^ g * exp u / INR (fact g))))); auto.
    + rewrite Ropp_0, T_zero, exp_0. lra.
    + intros u _. replace (- ((-1) ^ g * (u ^ g * exp u / INR (fact g)))) with (0 - ((-1) ^ g * (u ^ g * exp u / INR (fact g)))) by ring.
      apply (is_derive_minus (fun _ => 1)); [apply (is_derive_const (K := R_AbsRing) (V := R_NormedModule))|apply mirrored_derive].
    + intros u Hu. pose proof (integrand_nonneg g u Hu). destruct (sign_pow g) as [->| ->]; lra.
  - apply (below_J (fun u => T g (- u) * exp u - 1) (fun u => (-1) ^ g * (u ^ g * exp u / INR (fact g)))); auto.
    + rewrite Ropp_0, T_zero, exp_0. lra.
    + intros u _. replace ((-1) ^ g * (u ^ g * exp u / INR (fact g))) with ((-1) ^ g * (u ^ g * exp u / INR (fact g)) - 0) by ring.
      apply (is_derive_minus _ (fun _ => 1)); [apply mirrored_derive|apply (is_derive_const (K := R_AbsRing) (V := R_NormedModule))].
    + intros u Hu. pose proof (integrand_nonneg g u Hu). destruct (sign_pow g) as [->| ->]; lra.
Qed.

Theorem relative_error : forall g b x, Rabs x <= b -> Rabs (T g x * exp (- x) - 1) <= J g b.
Proof.
  intros g b x Hx. pose proof (Rabs_pos x). apply Rle_trans with (J g (Rabs x)); [|apply J_increasing; lra].
  destruct (Rle_dec 0 x).
  - rewrite (Rabs_pos_eq x) by auto. apply (relative_at g x); auto.
  - rewrite (Rabs_left x) by lra. replace (T g x * exp (- x) - 1) with (T g (- - x) * exp (- x) - 1) by (rewrite Ropp_involutive; reflexivity).
    apply (relative_at g (- x)). lra.
Qed.

Theorem J_upper : forall g b, 0 <= b -> J g b <= exp b * b ^ (g + 1) / (INR (fact (g + 1)) * (1 + b / (INR g + 2))).
Proof.
  intros g b Hb. rewrite Nat.add_1_r.
  assert (H : 0 - 0 <= exp b * b ^ S g / (INR (fact (S g)) * (1 + b / (INR g + 2))) - J g b).
  { replace (0 - 0) with (exp 0 * 0 ^ S g / (INR (fact (S g)) * (1 + 0 / (INR g + 2))) - J g 0) by (rewrite J_zero; simpl; unfold Rdiv; ring).
    pose proof (pos_INR g) as Pg.
    apply (from_zero (fun u => exp u * u ^ S g / (INR (fact (S g)) * (1 + u / (INR g + 2))) - J g u)
      (fun u => u ^ g * exp u / INR (fact g) * (u ^ 2 / ((INR g + 1) * (INR g + 2 + u) ^ 2)))); auto.
    - intros x Hx.
      replace (x ^ g * exp x / INR (fact g) * (x ^ 2 / ((INR g + 1) * (INR g + 2 + x) ^ 2))) with
       ((exp x * x ^ S g + exp x * (INR (S g) * 1 * x ^ g)) * (/ (INR (fact (S g)) * (1 + x / (INR g + 2)))) +
        exp x * x ^ S g * (- (INR (fact (S g)) * (1 / (INR g + 2))) / (INR (fact (S g)) * (1 + x / (INR g + 2))) ^ 2) - x ^ g * exp x / INR (fact g)).
      + apply (is_derive_minus _ (J g)); [|apply J_derive].
        apply (is_derive_mult (fun u => exp u * u ^ S g) (fun u => / (INR (fact (S g)) * (1 + u / (INR g + 2))))); [| |intros; apply Rmult_comm].
        * apply (is_derive_mult exp (fun u => u ^ S g)); [apply is_derive_exp| |intros; apply Rmult_comm].
          apply (is_derive_pow (fun y => y) (S g) x 1). apply (is_derive_id (K := R_AbsRing)).
        * apply (is_derive_inv (fun u => INR (fact (S g)) * (1 + u / (INR g + 2))) x (INR (fact (S g)) * (1 / (INR g + 2)))). { auto_derive; auto; try (field; lra). }
          apply Rmult_integral_contrapositive_currified; [apply fact_neq|].
          assert (0 <= x / (INR g + 2)) by (apply Rmult_le_pos; [auto|left; apply Rinv_0_lt_compat; lra]). lra.
      + rewrite fact_S, S_INR. change (x ^ S g) with (x * x ^ g). field. pose proof (fact_pos g). repeat split; try lra.
    - intros x Hx. apply Rmult_le_pos; [apply integrand_nonneg; auto|].
      apply Rmult_le_pos; [apply pow2_ge_0|]. left. apply Rinv_0_lt_compat. apply Rmult_lt_0_compat; [lra|apply pow_lt; lra]. }
  lra.
Qed.

Theorem J_lower : forall g b, 0 <= b -> exp b * b ^ (g + 1) / (INR (fact g) * (INR g + 1 + b)) <= J g b.
Proof.
  intros g b Hb. rewrite Nat.add_1_r.
  apply (below_J (fun u => exp u * u ^ S g / (INR (fact g) * (INR g + 1 + u)))
    (fun u => u ^ g * exp u / INR (fact g) * (1 - u / (INR g + 1 + u) ^ 2))); auto.
  - simpl. unfold Rdiv. lra.
  - intros x Hx. pose proof (pos_INR g) as Pg.
    replace (x ^ g * exp x / INR (fact g) * (1 - x / (INR g + 1 + x) ^ 2)) with
      ((exp x * x ^ S g + exp x * (INR (S g) * 1 * x ^ g)) * (/ (INR (fact g) * (INR g + 1 + x))) +
       exp x * x ^ S g * (- (INR (fact g) * 1) / (INR (fact g) * (INR g + 1 + x)) ^ 2)).
    + apply (is_derive_mult (fun u => exp u * u ^ S g) (fun u => / (INR (fact g) * (INR g + 1 + u)))); [| |intros; apply Rmult_comm].
      * apply (is_derive_mult exp (fun u => u ^ S g)); [apply is_derive_exp| |intros; apply Rmult_comm].
        apply (is_derive_pow (fun y => y) (S g) x 1). apply (is_derive_id (K := R_AbsRing)).
      * apply (is_derive_inv (fun u => INR (fact g) * (INR g + 1 + u)) x (INR (fact g) * 1)).
        { auto_derive; auto; try (field; lra). }
        apply Rmult_integral_contrapositive_currified; [apply fact_neq|lra].
    + rewrite S_INR. change (x ^ S g) with (x * x ^ g). field. pose proof (fact_pos g). split; lra.
  - intros x Hx. pose proof (pos_INR g) as Pg. rewrite <- Rmult_1_r. apply Rmult_le_compat_l; [apply integrand_nonneg; auto|].
    assert (0 <= x / (INR g + 1 + x) ^ 2); [|lra].
    apply Rmult_le_pos; [auto|left; apply Rinv_0_lt_compat, pow_lt; lra].
Qed.

Theorem J_looser : forall g b, 0 <= b ->
  exp b * b ^ (g + 1) / (INR (fact (g + 1)) * (1 + b / (INR g + 2))) <= exp b * b ^ (g + 1) / INR (fact (g + 1)).
Proof.
  intros g b Hb. pose proof (pos_INR g) as Pg. unfold Rdiv at 1 3. apply Rmult_le_compat_l.
  - apply Rmult_le_pos; [left; apply exp_pos|apply pow_le; auto].
  - apply Rinv_le_contravar; [apply fact_pos|]. rewrite <- Rmult_1_r at 1. apply Rmult_le_compat_l; [left; apply fact_pos|].
    assert (0 <= b / (INR g + 2)) by (apply Rmult_le_pos; [auto|left; apply Rinv_0_lt_compat; lra]). lra.
Qed.

Lemma exp_above : forall g v, 0 <= v -> T g v <= exp v.
Proof.
  intros g v Hv. assert (H : 0 <= 1 - T g v * exp (- v)).
  { replace 0 with (1 - T g 0 * exp (- 0)) by (rewrite T_zero, Ropp_0, exp_0; ring).
    apply (from_zero (fun u => 1 - T g u * exp (- u)) (fun u => u ^ g * exp (- u) / INR (fact g))); auto.
    - intros u _. replace (u ^ g * exp (- u) / INR (fact g)) with (0 - - (u ^ g * exp (- u) / INR (fact g))) by ring.
      apply (is_derive_minus (fun _ => 1)); [apply (is_derive_const (K := R_AbsRing) (V := R_NormedModule))|apply relative_derive].
    - intros u Hu. replace (u ^ g * exp (- u) / INR (fact g)) with (u ^ g / INR (fact g) * exp (- u)) by (field; apply fact_neq).
      apply Rmult_le_pos; [apply term_nonneg; auto|left; apply exp_pos]. }
  pose proof (exp_pos v). assert (E : exp (- v) * exp v = 1) by (rewrite <- exp_plus; replace (- v + v) with 0 by ring; apply exp_0).
  assert (0 <= (1 - T g v * exp (- v)) * exp v) by (apply Rmult_le_pos; lra).
  replace ((1 - T g v * exp (- v)) * exp v) with (exp v - T g v * (exp (- v) * exp v)) in H1 by ring. rewrite E in H1. lra.
Qed.

(* The sign of the tail: |e^{-v} - T_g(-v)| <= e^v - T_g(v), by induction on the degree. *)
Lemma T_minus_derive : forall g v, is_derive (fun u => T (S g) (- u)) v (- T g (- v)).
Proof.
  intros. replace (- T g (- v)) with (-1 * T g (- v)) by ring.
  apply (is_derive_comp (T (S g)) (fun y => - y)); [apply T_derive|auto_derive; auto; ring].
Qed.
Lemma exp_minus_derive : forall v, is_derive (fun u => exp (- u)) v (- exp (- v)).
Proof. intros. auto_derive; auto; ring. Qed.
Lemma mirrored_tail : forall g v, 0 <= v ->
  0 <= (exp v - T g v) + (T g (- v) - exp (- v)) /\ 0 <= (exp v - T g v) - (T g (- v) - exp (- v)).
Proof.
  induction g; intros v Hv.
  - simpl. pose proof (exp_opp_le v Hv). split; [lra|].
    assert (H0 : (exp 0 - 1) - (1 - exp (- 0)) <= (exp v - 1) - (1 - exp (- v))).
    { apply (from_zero (fun u => (exp u - 1) - (1 - exp (- u))) (fun u => exp u - exp (- u))); auto.
      - intros u Hu. auto_derive; auto; ring.
      - intros u Hu. pose proof (exp_opp_le u Hu). lra. }
    rewrite Ropp_0, exp_0 in H0. lra.
  - split.
    + assert (H : (exp 0 - T (S g) 0) + (T (S g) (- 0) - exp (- 0)) <= (exp v - T (S g) v) + (T (S g) (- v) - exp (- v))).
      { apply (from_zero (fun u => (exp u - T (S g) u) + (T (S g) (- u) - exp (- u)))
          (fun u => (exp u - T g u) + (- T g (- u) - - exp (- u)))); auto.
        - intros u Hu. apply (is_derive_plus (fun u => exp u - T (S g) u) (fun u => T (S g) (- u) - exp (- u))).
          + apply (is_derive_minus exp (T (S g))); [apply is_derive_exp|apply T_derive].
          + apply (is_derive_minus (fun u => T (S g) (- u)) (fun u => exp (- u))); [apply T_minus_derive|apply exp_minus_derive].
        - intros u Hu. destruct (IHg u Hu). lra. }
      rewrite Ropp_0, T_zero, exp_0 in H. lra.
    + assert (H : (exp 0 - T (S g) 0) - (T (S g) (- 0) - exp (- 0)) <= (exp v - T (S g) v) - (T (S g) (- v) - exp (- v))).
      { apply (from_zero (fun u => (exp u - T (S g) u) - (T (S g) (- u) - exp (- u)))
          (fun u => (exp u - T g u) - (- T g (- u) - - exp (- u)))); auto.
        - intros u Hu. apply (is_derive_minus (fun u => exp u - T (S g) u) (fun u => T (S g) (- u) - exp (- u))).
          + apply (is_derive_minus exp (T (S g))); [apply is_derive_exp|apply T_derive].
          + apply (is_derive_minus (fun u => T (S g) (- u)) (fun u => exp (- u))); [apply T_minus_derive|apply exp_minus_derive].
        - intros u Hu. destruct (IHg u Hu). lra. }
      rewrite Ropp_0, T_zero, exp_0 in H. lra.
Qed.

Lemma tail_increasing : forall g a b, 0 <= a <= b -> exp a - T g a <= exp b - T g b.
Proof.
  intros g a b [Ha Hb]. destruct g as [|g].
  - simpl. destruct Hb; [pose proof (exp_increasing a b H); lra|subst; lra].
  - assert (H : exp (0 + a) - T (S g) (0 + a) <= exp ((b - a) + a) - T (S g) ((b - a) + a)).
    { apply (from_zero (fun v => exp (v + a) - T (S g) (v + a)) (fun v => exp (v + a) - T g (v + a))); try lra.
      - intros x Hx. replace (exp (x + a) - T g (x + a)) with (1 * (exp (x + a) - T g (x + a))) by ring.
        apply (is_derive_comp (fun u => exp u - T (S g) u) (fun v => v + a)); [|auto_derive; auto; ring].
        apply (is_derive_minus exp (T (S g))); [apply is_derive_exp|apply T_derive].
      - intros x Hx. pose proof (exp_above g (x + a)). lra. }
    rewrite Rplus_0_l in H. replace (b - a + a) with b in H by ring. exact H.
Qed.

Theorem absolute_error : forall g b x, Rabs x <= b -> Rabs (T g x - exp x) <= exp b - T g b.
Proof.
  intros g b x Hx. pose proof (Rabs_pos x). apply Rle_trans with (exp (Rabs x) - T g (Rabs x)); [|apply tail_increasing; lra].
  destruct (Rle_dec 0 x).
  - rewrite (Rabs_pos_eq x) by auto. pose proof (exp_above g x r). apply Rabs_le. lra.
  - rewrite (Rabs_left x) by lra. destruct (mirrored_tail g (- x)); [lra|]. rewrite Ropp_involutive in *. apply Rabs_le. lra.
Qed.

(* -- T.2: signs -- *)
Lemma even_power : forall k, (-1) ^ (2 * k) = 1.
Proof. intros. rewrite pow_mult. replace ((-1) ^ 2) with 1 by ring. apply pow1. Qed.
Lemma odd_power : forall k, (-1) ^ (2 * k + 1) = -1.
Proof. intros. rewrite pow_add, even_power. ring. Qed.

Theorem even_positive : forall k x, 0 < T (2 * k) x.
Proof.
  intros k x. destruct (Rle_dec 0 x).
  - assert (H : forall g, 1 <= T g x).
    { induction g; simpl; [lra|]. pose proof (term_nonneg (S g) x r). simpl in *. lra. }
    specialize (H (2 * k)%nat). lra.
  - assert (H : T (2 * k) (- 0) * exp 0 <= T (2 * k) (- - x) * exp (- x)).
    { apply (from_zero (fun u => T (2 * k) (- u) * exp u) (fun u => (-1) ^ (2 * k) * (u ^ (2 * k) * exp u / INR (fact (2 * k))))); try lra.
      - intros. apply mirrored_derive.
      - intros u Hu. rewrite even_power, Rmult_1_l. apply integrand_nonneg; auto. }
    rewrite Ropp_0, Ropp_involutive, T_zero, exp_0 in H.
    destruct (Rle_dec (T (2 * k) x) 0); [|lra]. pose proof (exp_pos (- x)). nra.
Qed.

Theorem odd_if : forall g b x, Rabs x <= b -> J g b <= 1 -> 0 <= T g x.
Proof.
  intros g b x Hx HJ. pose proof (relative_error g b x Hx) as H. apply Rabs_le_between in H.
  pose proof (exp_pos (- x)). destruct (Rle_dec 0 (T g x)); [auto|nra].
Qed.

Theorem odd_value : forall k b, 0 <= b -> T (2 * k + 1) (- b) * exp b = 1 - J (2 * k + 1) b.
Proof.
  intros k b Hb. set (g := (2 * k + 1)%nat).
  assert (D : forall s, s * s = 1 -> s * (T g (- 0) * exp 0 + J g 0) <= s * (T g (- b) * exp b + J g b)).
  { intros s _. apply (from_zero (fun u => s * (T g (- u) * exp u + J g u)) (fun u => s * ((-1) ^ g * (u ^ g * exp u / INR (fact g)) + u ^ g * exp u / INR (fact g)))); auto.
    - intros u _. apply is_derive_scal. apply (is_derive_plus (fun u => T g (- u) * exp u) (J g)); [apply mirrored_derive|apply J_derive].
    - intros u _. unfold g at 1. rewrite odd_power. right. ring. }
  pose proof (D 1 ltac:(ring)). pose proof (D (-1) ltac:(ring)). rewrite Ropp_0, T_zero, exp_0, J_zero in *. lra.
Qed.

Theorem odd_only_if : forall k b, 0 <= b -> 1 <= J (2 * k + 1) b -> T (2 * k + 1) (- b) <= 0.
Proof.
  intros k b Hb HJ. pose proof (odd_value k b Hb) as E. pose proof (exp_pos b).
  destruct (Rle_dec (T (2 * k + 1) (- b)) 0); [auto|nra].
Qed.

(* -- T.3: the degree -- *)
Lemma factorial_above : forall n, (0 < n)%nat -> INR n ^ n * exp (- INR n) <= INR (fact n).
Proof.
  intros n Hn. pose proof (exp_above n (INR n) (pos_INR n)) as H. destruct n as [|k]; [lia|]. set (v := INR (S k)) in *.
  simpl T in H. pose proof (T_nonneg k v (pos_INR _)). assert (V : v ^ S k / INR (fact (S k)) <= exp v) by (simpl in *; lra).
  pose proof (fact_pos (S k)) as F. pose proof (exp_pos v). pose proof (exp_pos (- v)).
  assert (E : exp v * exp (- v) = 1) by (rewrite <- exp_plus; replace (v + - v) with 0 by ring; apply exp_0).
  replace (v ^ S k) with (v ^ S k / INR (fact (S k)) * INR (fact (S k))) by (field; apply fact_neq).
  apply Rle_trans with (exp v * INR (fact (S k)) * exp (- v)); [|right; rewrite <- (Rmult_1_r (INR (fact (S k)))) at 2; rewrite <- E; ring].
  apply Rmult_le_compat_r; [lra|]. apply Rmult_le_compat_r; lra.
Qed.

(* w = W((b + L)/(e b)); N = ceil((b + L)/w), the degree is N - 1. *)
Theorem degree_formula : forall b L w g, 0 < b -> 0 < L -> 0 < w -> w * exp w = (b + L) / (exp 1 * b) ->
  (b + L) / w <= INR (g + 1) -> J g b <= exp (- L).
Proof.
  intros b L w g Hb HL Hw HW Hm. rewrite Nat.add_1_r in Hm. set (n := INR (S g)) in *.
  pose proof (exp_pos 1) as E1. pose proof (exp_pos w) as Ew.
  assert (M : (b + L) / w = exp 1 * b * exp w).
  { replace (b + L) with (w * exp w * (exp 1 * b)) by (rewrite HW; field; lra). field. lra. }
  assert (P : 0 < exp 1 * b * exp w) by (apply Rmult_lt_0_compat; [apply Rmult_lt_0_compat; lra|lra]).
  assert (Pn : 0 < n) by lra.
  assert (Ln : ln (exp 1 * b * exp w) <= ln n) by (apply ln_le; lra).
  rewrite !ln_mult, !ln_exp in Ln; try lra; [|apply Rmult_lt_0_compat; lra].
  assert (H1 : J g b <= exp b * b ^ S g / INR (fact (S g))).
  { pose proof (J_upper g b ltac:(lra)). pose proof (J_looser g b ltac:(lra)). rewrite Nat.add_1_r in *. lra. }
  eapply Rle_trans; [exact H1|]. pose proof (fact_pos (S g)) as F.
  assert (Pw : b ^ S g = exp (n * ln b)) by (unfold n; rewrite <- Rpower_pow; [reflexivity|auto]).
  assert (Fa : exp (n * ln n - n) <= INR (fact (S g))).
  { eapply Rle_trans; [|apply (factorial_above (S g)); lia]. unfold Rminus. rewrite exp_plus. fold n.
    right. f_equal. rewrite <- (Rpower_pow (S g) n) by auto. reflexivity. }
  apply Rle_trans with (exp b * exp (n * ln b) / exp (n * ln n - n)).
  - rewrite Pw. apply Rmult_le_compat_l; [left; apply Rmult_lt_0_compat; apply exp_pos|]. apply Rinv_le_contravar; [apply exp_pos|auto].
  - unfold Rdiv. rewrite <- exp_Ropp, <- !exp_plus.
    assert (b + n * ln b + - (n * ln n - n) <= - L).
    { assert (w * n <= n * ln n - n - n * ln b) by nra.
      assert (b + L <= n * w). { apply Rmult_le_reg_r with (/ w); [apply Rinv_0_lt_compat; lra|]. replace (n * w * / w) with n by (field; lra). exact Hm. }
      lra. }
    destruct H; [left; apply exp_increasing; auto|right; rewrite H; reflexivity].
Qed.
