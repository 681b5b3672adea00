"""The dashboard's shell: home, first steps, list of visits, landing page, API docs.

Shows what other modules contribute and calls their use cases; it has no rules of the trade of its own.
"""
