"""Database access: declarative base, tenant-scoped sessions, migrations, the embedded server."""
