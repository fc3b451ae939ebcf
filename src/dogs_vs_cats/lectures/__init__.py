"""The lectures' figures, and how ours compare with them.

`claims.yml` is the table of all claims. The modules beside it compute the figures that its texts name, and `page` shows
the table as a page.
"""
