"""What drives the steps over shards.

``passes`` is the run: what is to be done, and all decisions. ``jobs`` are the pieces of it that any process can do,
with the functions of ``tasks``. ``placement`` is the seam: ``local`` does jobs in this process and its ``helpers``,
``ray_cluster`` on the nodes of a cluster.
"""
