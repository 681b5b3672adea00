"""The web edge's plumbing: templates, static files, forms, answers, protection. Knows no business word."""
