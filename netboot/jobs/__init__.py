"""Jobs: what is wanted of machines over minutes and hours, done in turns of seconds.

A turn is observe → plan → write the intent → act → record. Between two turns a job is a row that
nobody holds, so this process may be killed at any moment and another goes on. What comes in is the
store's rows and events, what goes out is talk to BMCs and lines in timelines.
"""
