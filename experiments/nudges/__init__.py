"""Does an early nudge leave a trace, on four data sets and under six conditions?"""
