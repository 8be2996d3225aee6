"""Images: from the bytes of a file, of any supported format, to a square RGB picture or a rejection that a person understands.

Needs Pillow and numpy (the extra ``classify``); astropy only when a FITS file arrives. Imports the package's root alone.
"""
