"""Running a suite: trials, and where they run. No module here imports a plotting library."""
