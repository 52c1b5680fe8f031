"""Sound sample rows for tests."""
