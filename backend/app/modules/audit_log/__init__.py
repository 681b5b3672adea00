"""Who changed what: the audit trail as a page, as JSON and as a file. It reads entries; each module writes its own."""
