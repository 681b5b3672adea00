"""Downloads: every table a merchant has, as CSV or XLSX, of any size.

Small tables are made at once. Large ones are made by the worker, in pieces that wait in the database: web and worker
hold no files. It knows no table itself; modules offer theirs under EXPORTER.
"""
