"""Tracing, where the operator wants it: requests, their statements, jobs and calls to the outside, sent by OTLP.

Off, it is a look at one context variable where a job is queued or the outside is called, and nothing on any other path.
On, it says routes, statements and kinds of jobs, and never a path, a query, a value, an address or a name.
"""
