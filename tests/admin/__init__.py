"""Do the operators' pages show each operator only their own, and act only by services?"""
