"""What runs inside the jail: standard library only, nothing of the verifier.

Started as ``python -s <this directory>``. Three kinds of process, from trusted to untrusted:

* the **supervisor** reads jobs, pumps input and output, and holds the clocks;
* the **zygote** is a warm interpreter that has never seen a job: it only forks, and hands each child its
  descriptors. So a child's memory holds nothing of other jobs, nor of the tests of its own;
* the **children**, behind all walls: a solution, or a tester with its script.
"""
