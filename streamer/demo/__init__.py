"""The whole story on one machine: a database, a local D1, a kill, a resume, and a comparison.

story      what happens, in order, in plain words
postgres   a PostgreSQL of the demo's own
shop       the sample database (sample.sql)
processes  what the demo starts ends with it
selftest   every step of the pipeline on a smaller shop
compare    every row of both sides, read without the code that moved them
"""
