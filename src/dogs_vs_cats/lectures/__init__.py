"""What the lectures state, in figures, and what becomes of it here.

`claims.yml` is the table of all claims. The modules beside it compute the figures that its texts name, and `page` shows
the table as a page.
"""
