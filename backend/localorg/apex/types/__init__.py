"""Types and what they hold: the platform's, the org's objects, the program's classes."""
