"""A sweep: which runs it is made of, the processes that they run in, and what it says of them.

Hydra's sweeper and launchers decide what is started where; nothing here schedules. Whatever the launcher, each run
writes how it ended into the sweep's folder, and the sweep's own process reads it there.
"""
