"""How do invoices, notes and settlement statements look on paper? Pure: facts go in, bytes come out."""
