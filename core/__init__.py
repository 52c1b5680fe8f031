"""What does every app need that knows no table? Money, due rows, errors, the one HTTP module."""
