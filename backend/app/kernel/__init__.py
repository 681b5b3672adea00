"""The kernel knows no business word: modules, hooks, outcomes, jobs, ledger mechanism, web plumbing."""
