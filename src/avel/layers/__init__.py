"""Neural building blocks shared by several papers: torch only, no data set, loss or task."""
