"""Which pages do customers and payment providers reach of this app? One file for each matter."""
