From Coq Require Import Reals Lra Lia Bool Arith.
Open Scope R_scope.

(* Finite sums and largest values over 0 .. n-1. *)
Fixpoint sum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S k => sum k f + f k end.
Fixpoint largest (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S O => f O | S k => Rmax (largest k f) (f k) end.

Lemma sum_ext : forall n f g, (forall k, (k < n)%nat -> f k = g k) -> sum n f = sum n g.
Proof. induction n; intros f g H; simpl; [lra|]. rewrite (IHn f g), (H n); auto with arith. Qed.

Lemma sum_le : forall n f g, (forall k, (k < n)%nat -> f k <= g k) -> sum n f <= sum n g.
Proof. induction n; intros f g H; simpl; [lra|]. apply Rplus_le_compat; auto with arith. Qed.

Lemma sum_zero : forall n, sum n (fun _ => 0) = 0.
Proof. induction n; simpl; lra. Qed.

Lemma sum_nonneg : forall n f, (forall k, (k < n)%nat -> 0 <= f k) -> 0 <= sum n f.
Proof. intros n f H. rewrite <- (sum_zero n). apply sum_le. exact H. Qed.

Lemma sum_plus : forall n f g, sum n (fun k => f k + g k) = sum n f + sum n g.
Proof. induction n; intros; simpl; [lra|]. rewrite IHn. lra. Qed.

Lemma sum_scale : forall n c f, sum n (fun k => c * f k) = c * sum n f.
Proof. induction n; intros; simpl; [lra|]. rewrite IHn. lra. Qed.

Lemma sum_const : forall n c, sum n (fun _ => c) = INR n * c.
Proof. induction n; intros; [simpl; lra|]. rewrite S_INR. simpl sum. rewrite IHn. lra. Qed.

Lemma sum_abs : forall n f, Rabs (sum n f) <= sum n (fun k => Rabs (f k)).
Proof.
  induction n; intros; simpl; [rewrite Rabs_R0; lra|].
  eapply Rle_trans; [apply Rabs_triang|]. specialize (IHn f). lra.
Qed.

Lemma sum_member : forall n f j, (forall k, (k < n)%nat -> 0 <= f k) -> (j < n)%nat -> f j <= sum n f.
Proof.
  induction n; intros f j H Hj; [lia|]. simpl.
  assert (P : 0 <= sum n f) by (apply sum_nonneg; auto with arith).
  assert (Q : 0 <= f n) by auto with arith.
  destruct (Nat.eq_dec j n) as [->|N]; [lra|].
  assert (f j <= sum n f) by (apply IHn; auto with arith; lia). lra.
Qed.

Lemma sum_swap : forall n m (f : nat -> nat -> R),
  sum n (fun i => sum m (fun j => f i j)) = sum m (fun j => sum n (fun i => f i j)).
Proof.
  induction n; intros; simpl. - symmetry. apply sum_zero.
  - rewrite IHn, <- sum_plus. reflexivity.
Qed.

Lemma sum_single : forall n f j, (j < n)%nat -> (forall k, (k < n)%nat -> k <> j -> f k = 0) -> sum n f = f j.
Proof.
  induction n; intros f j Hj H; [lia|]. simpl. destruct (Nat.eq_dec j n) as [->|N].
  - rewrite (sum_ext n f (fun _ => 0)), sum_zero; [lra|]. intros; apply H; lia.
  - rewrite (IHn f j), (H n); try lra; try lia. intros; apply H; lia.
Qed.

Lemma largest_ge : forall n f k, (k < n)%nat -> f k <= largest n f.
Proof.
  induction n; intros f k H; [lia|]. destruct n as [|n].
  - replace k with O by lia. simpl. lra.
  - change (largest (S (S n)) f) with (Rmax (largest (S n) f) (f (S n))).
    destruct (Nat.eq_dec k (S n)) as [->|N]; [apply Rmax_r|].
    eapply Rle_trans; [apply IHn; lia|apply Rmax_l].
Qed.

Lemma largest_le : forall n f c, (0 < n)%nat -> (forall k, (k < n)%nat -> f k <= c) -> largest n f <= c.
Proof.
  induction n; intros f c P H; [lia|]. destruct n as [|n].
  - simpl. apply H. lia.
  - change (largest (S (S n)) f) with (Rmax (largest (S n) f) (f (S n))).
    apply Rmax_lub; [apply IHn; [lia|intros; apply H; lia]|apply H; lia].
Qed.

Lemma largest_attained : forall n f, (0 < n)%nat -> exists k, (k < n)%nat /\ largest n f = f k.
Proof.
  induction n; intros f P; [lia|]. destruct n as [|n]; [exists O; split; [lia|reflexivity]|].
  change (largest (S (S n)) f) with (Rmax (largest (S n) f) (f (S n))).
  destruct (IHn f) as [k [K E]]; [lia|].
  unfold Rmax. destruct (Rle_dec (largest (S n) f) (f (S n))); [exists (S n)|exists k]; split; auto.
Qed.

Lemma largest_ext : forall n f g, (forall k, (k < n)%nat -> f k = g k) -> largest n f = largest n g.
Proof.
  induction n; intros f g H; [reflexivity|]. destruct n as [|n]; [apply H; lia|].
  change (Rmax (largest (S n) f) (f (S n)) = Rmax (largest (S n) g) (g (S n))).
  rewrite (IHn f g), (H (S n)); auto.
Qed.
