"""How does the platform start on a bare machine? Standard library only, but for what `inside.py` holds."""
