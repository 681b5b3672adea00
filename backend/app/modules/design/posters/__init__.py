"""Posters: laid out once in millimetres, then drawn as PDF for print and as a picture for the page."""
