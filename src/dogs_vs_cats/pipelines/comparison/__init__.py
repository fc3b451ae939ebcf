"""The comparison of all approaches: one table, one report, the lecture's figures beside ours."""
