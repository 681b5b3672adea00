"""Backups: one encrypted file that holds the database, the keys and the data folder's files, and the way back.

The database is read by COPY in one snapshot and written back over the tables that this release's migrations make
(docs/adr/0015-backup-by-copy.md). It is no module: it knows all tables by what the database says about them, and no
business word.
"""
