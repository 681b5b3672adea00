"""QR codes of stores and cards as SVG and PNG. Not posters."""
