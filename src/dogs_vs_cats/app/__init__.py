"""A local web page: drop photos, and see what each approach says and where it looks."""
