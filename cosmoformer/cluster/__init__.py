"""What only a cluster needs: kubectl, and a canary by traffic split.

Imports the package's root alone.
"""
