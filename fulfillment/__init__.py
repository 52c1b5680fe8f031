"""How is a promise made true?"""
