"""What drives the steps over shards. ``shard`` does one shard; ``local`` does all, in this process, one by one."""
