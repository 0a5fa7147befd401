-- Lists the orders that wait, the oldest first. KEYS: waiting orders. ARGV: incarnation, the most
-- of them.
return redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)
