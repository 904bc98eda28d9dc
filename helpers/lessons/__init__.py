"""The exercises of the course, a module for each notebook.

Each exercise is a solution, which is real Python, and a function that checks
answers. The order of its `expect` lines is the order of the diagnoses.
"""
