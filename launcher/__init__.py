"""How does the platform start on a bare machine? Standard library only; `inside.py` alone is run by the venv's Python."""
