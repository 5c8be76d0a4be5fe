"""Running a suite: trials, and where they run. Nothing here draws."""
