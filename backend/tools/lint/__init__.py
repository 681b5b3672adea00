"""The project's own lint rules: what ruff, mypy and import-linter cannot say.

Run from backend/: python -m tools.lint
"""
