"""What is checked: backends that evaluate a formula, engines that produce evidence, and the ledger."""
