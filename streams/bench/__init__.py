"""`stockwire bench`: our processes beside bare programs that do the same job, and beside others where they are given.

Read in this order: `figure` (what is found), `subject` (a process under measurement), `desk` (its Kafka), `ground` (how
peers are run), then any of `jobs`; `programs` are the processes that are measured.
"""
