"""The job in steps, with files between: tables into files, D1's rows of these, and these into D1.

names     what files are called           reading   rows of a file, with their lines
values    how values stand in files       writing   rows into a file, whole or not at all
derived   D1's cells of exported values   manifest  what lies beside the files
export    tables into files               state     how far an export is
outputs    where D1's rows go             sql/      as SQL files, which wrangler loads
checks    is a file what was written?     report    reports, and the schemas of it all
"""
