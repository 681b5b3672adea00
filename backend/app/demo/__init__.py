"""The demo shops: two merchants, three stores and a year of visits, made from a seed.

Everything is decided in plain Python (shops, people, year, book) and written in bulk (loading, rows). It is
no module: it knows all of the foundation, and features add to it through DEMO_DATA (kernel/points.py).
"""

from app.demo.loading import load_demo

__all__ = ["load_demo"]
