"""Events in the files of other programs, and back.

Files are made to be read well in the program. What its format has no place for stands where the program ignores or
keeps it. Reading goes by what the program shows: what stands beside it only makes it exact, as long as nobody changed
what is shown.
"""
